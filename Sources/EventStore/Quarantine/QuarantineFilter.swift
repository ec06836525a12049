package import EventCore

/// Which of a tenant's quarantined records are meant.
package struct QuarantineFilter: Sendable, Equatable {
    /// A reason's code, such as `missing_field`.
    package var reason: String?
    /// A source's slug.
    package var source: String?
    /// Received at or after.
    package var from: Timestamp?
    /// Received before.
    package var to: Timestamp?
    /// One record's number.
    package var id: QuarantineNumber?

    package init(
        reason: String? = nil,
        source: String? = nil,
        from: Timestamp? = nil,
        to: Timestamp? = nil,
        id: QuarantineNumber? = nil
    ) {
        self.reason = reason
        self.source = source
        self.from = from
        self.to = to
        self.id = id
    }

    /// As `EventFilter`, for the cursors of a list: what they are bound to. Its own words keep the two kinds apart.
    package var cursorFilter: EventFilter {
        EventFilter(from: from, to: to, type: "quarantine", actor: reason, machine: id?.description, source: source)
    }
}

/// The number of a quarantined record: the 36 characters of a UUID.
package struct QuarantineNumber: Hashable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Nil for what is no UUID.
    package init?(_ text: String) {
        guard let canonical = UUIDText.canonical(text) else { return nil }
        let digits = canonical.filter { $0 != "-" }
        guard let high = UInt64(digits.prefix(16), radix: 16), let low = UInt64(digits.suffix(16), radix: 16) else { return nil }
        self.init(high: high, low: low)
    }

    package var description: String { EventID(high: high, low: low).description }
}

/// A record as quarantine keeps it.
package struct QuarantinedRow: Sendable {
    package let id: QuarantineNumber
    package let receivedAt: Timestamp
    package let lastReceivedAt: Timestamp
    /// How often the same body came.
    package let count: Int
    package let source: SourceID?
    /// The source's slug; the one that was asked for, where there is none of that name.
    package let sourceSlug: String?
    /// Name and version of the schema that refused it last.
    package let schema: String?
    package let versionNumber: Int32?
    package let reason: QuarantineReason
    package let profile: SenderProfile?
    package let requestID: String?
    package let size: Int
    /// As received; empty in a list.
    package let body: [UInt8]

    package var position: EventPosition { EventPosition(occurredAt: receivedAt, id: EventID(high: id.high, low: id.low)) }
}

package struct QuarantinePage: Sendable {
    package let rows: [QuarantinedRow]
    /// Nil when there is nothing behind this page.
    package let next: EventPosition?
}
