package import EventCore

/// Which events of one tenant are meant.
package struct EventFilter: Sendable, Equatable {
    /// At or after.
    package var from: Timestamp?
    /// Before.
    package var to: Timestamp?
    package var type: String?
    package var actor: String?
    package var machine: String?
    package var source: String?
    /// By schema fields.
    package var fields: [FieldFilter]
    package var order: EventOrder

    package init(
        from: Timestamp? = nil,
        to: Timestamp? = nil,
        type: String? = nil,
        actor: String? = nil,
        machine: String? = nil,
        source: String? = nil,
        fields: [FieldFilter] = [],
        order: EventOrder = .newestFirst
    ) {
        self.order = order
        self.fields = fields
        self.from = from
        self.to = to
        self.type = type
        self.actor = actor
        self.machine = machine
        self.source = source
    }

    /// The same bytes for the same filter and for no other: what a cursor is bound to.
    var fingerprintInput: [UInt8] {
        let parts: [(UInt8, String?)] = [
            (1, from.map { String($0.microsecondsSince1970) }), (2, to.map { String($0.microsecondsSince1970) }),
            (3, type), (4, actor), (5, machine), (6, source),
        ]
        let asked = fields.flatMap { [(UInt8(7), $0.field), (8, $0.comparison.rawValue), (9, $0.text)] as [(UInt8, String?)] }
        let ordered: [(UInt8, String?)] = [(10, order == .oldestFirst ? order.rawValue : nil)]
        return (parts + asked + ordered).flatMap { tag, text -> [UInt8] in
            guard let text else { return [] }
            let length = UInt32(clamping: text.utf8.count)
            return [tag] + withUnsafeBytes(of: length.bigEndian, Array.init) + Array(text.utf8)
        }
    }
}

/// Where a page ends: the sort key of its last event, or one between two events.
package struct EventPosition: Sendable, Equatable {
    package let occurredAt: Timestamp
    package let id: EventID

    package init(occurredAt: Timestamp, id: EventID) {
        self.occurredAt = occurredAt
        self.id = id
    }
}

/// An event as it is read back.
package struct StoredEvent: Sendable {
    package let id: EventID
    package let occurredAt: Timestamp
    package let receivedAt: Timestamp
    /// The source's slug; nil when the source is gone.
    package let source: String?
    /// The schema's name and version with a space between; nil for an event stored without one.
    package let schema: String?
    /// The tenant's version that it was read with; 0 without a schema.
    package let versionNumber: Int32
    package let type: String?
    package let actor: String?
    package let machine: String?
    /// JSON objects as UTF-8.
    package let fields: [UInt8]
    package let extra: [UInt8]

    /// Where a page ends whose last event it is.
    package var position: EventPosition { EventPosition(occurredAt: occurredAt, id: id) }

    /// The same with other values.
    func with(fields: [UInt8], extra: [UInt8]) -> StoredEvent {
        StoredEvent(
            id: id,
            occurredAt: occurredAt,
            receivedAt: receivedAt,
            source: source,
            schema: schema,
            versionNumber: versionNumber,
            type: type,
            actor: actor,
            machine: machine,
            fields: fields,
            extra: extra
        )
    }
}

/// A page of events, in the filter's order.
package struct EventPage: Sendable {
    package let events: [StoredEvent]
    /// Behind the last event, or where the page's time was over; nil when there is nothing behind it.
    package let next: EventPosition?
}
