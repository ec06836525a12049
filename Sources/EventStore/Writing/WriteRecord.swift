package import EventCore
import Postgres

/// One record on its way into the store.
package indirect enum WriteRecord: Sendable {
    case event(AcceptedEvent)
    case quarantine(QuarantinedRecord)

    /// About how many bytes it takes on its way.
    var size: Int {
        switch self {
        case .event(let event):
            var size = 128 + event.fields.count + event.extra.count
            for text in [event.type, event.actor, event.machine] { size += text?.utf8.count ?? 0 }
            for slot in event.slots { size += slot?.utf8.count ?? 0 }
            return size
        case .quarantine(let record): return 128 + record.body.count + record.reason.detail.utf8.count
        }
    }
}

/// Why a record waits in quarantine. Names places, never what was sent there.
package struct QuarantineReason: Sendable, Hashable {
    /// Stable, such as `missing_field`.
    package let code: String
    /// JSON Pointer to the member at fault, where one is.
    package let pointer: String?
    package let detail: String

    package init(code: String, pointer: String?, detail: String) {
        self.code = code
        self.pointer = pointer
        self.detail = detail
    }

    package init(_ rejection: Rejection) {
        self.init(code: rejection.code.rawValue, pointer: rejection.pointer, detail: rejection.detail)
    }
}

extension QuarantineReason {
    static let unstorable = QuarantineReason(.init(.unstorable, "the database cannot hold one of the record's values"))
    static let idReused = QuarantineReason(.init(.idReused, "another record came with the same id and other content"))
    static let monthUnavailable = QuarantineReason(.init(.monthUnavailable, "as many months exist as there may be"))
    static let timestampOutOfRange = QuarantineReason(.init(.timestampOutOfRange, "the tenant does not keep the event's month"))
}

/// The number of a quarantined record: made before the first try to store it, so that a later try knows it again.
package struct QuarantineID: Sendable, Hashable {
    let uuid: UUIDBits

    /// A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then chance.
    package init(receivedAt: Timestamp) {
        let milliseconds = UInt64(max(receivedAt.microsecondsSince1970, 0) / 1_000)
        uuid = UUIDBits(
            high: milliseconds << 16 | 0x7000 | .random(in: 0...0xFFF),
            low: 0b10 << 62 | .random(in: 0...(.max >> 2))
        )
    }
}

/// A record that is no event, whole, with the reason.
package struct QuarantinedRecord: Sendable {
    package let id: QuarantineID
    package let tenant: TenantID
    /// nil when its sender named one that is not there.
    package let source: SourceID?
    /// The schema version that refused it.
    package let versionNumber: Int32?
    package let receivedAt: Timestamp
    package let reason: QuarantineReason
    /// As received, uncompressed.
    package let body: [UInt8]
    /// How its sender behaves; nil: as its source says.
    package let profile: SenderProfile?
    /// The id that its request gave it.
    package let requestID: String?
    /// The source it was sent to, where there is none of that name.
    package let sourceSlug: String?

    package init(
        tenant: TenantID,
        source: SourceID?,
        versionNumber: Int32?,
        receivedAt: Timestamp,
        reason: QuarantineReason,
        body: [UInt8],
        profile: SenderProfile? = nil,
        requestID: String? = nil,
        sourceSlug: String? = nil
    ) {
        id = QuarantineID(receivedAt: receivedAt)
        self.tenant = tenant
        self.source = source
        self.versionNumber = versionNumber
        self.receivedAt = receivedAt
        self.reason = reason
        self.body = body
        self.profile = profile
        self.requestID = requestID.flatMap { $0.utf8.count <= AcceptedEvent.longestExplicitID && !$0.utf8.contains(0) ? $0 : nil }
        self.sourceSlug = sourceSlug.flatMap { Slug.isValid($0) ? $0 : nil }
    }
}

/// What became of one record, once its transaction has committed.
package enum WriteOutcome: Sendable, Hashable {
    case accepted
    /// It was there already, or earlier in the same submission.
    case duplicate
    /// Kept in quarantine, for the reason it came with or for one that only the database could find.
    case quarantined(QuarantineReason)
    /// It belongs into its tenant's quarantine, which is full: the sender keeps it and tries again.
    case quarantineFull(QuarantineReason)
}
