/// A record that was accepted: a row of `events`, ready to be stored.
package struct AcceptedEvent: Hashable, Sendable {
    package static let slotCount = 8
    /// `type`, `actor`, `machine` and indexed values are at most so many bytes of UTF-8.
    package static let longestIndexedValue = 512
    /// An id that a record carries is at most so many bytes of UTF-8.
    package static let longestExplicitID = 512

    package let id: EventID
    /// The sender's own id for it: two deliveries with one id are one event, whatever their times.
    package let explicitID: String?
    /// The record's whole fingerprint; the same id with another digest is another event.
    package let contentDigest: Fingerprint
    package let tenant: TenantID
    package let source: SourceID
    package let occurredAt: Timestamp
    package let receivedAt: Timestamp
    /// The tenant's schema version that the record was read with; 0 without a schema.
    package let versionNumber: Int32
    package let type: String?
    package let actor: String?
    package let machine: String?
    /// Values of `k1 … k8`: eight, or none at all when no slot has a value.
    package let slots: [String?]
    /// The schema's values: the text of a JSON object, members in the schema's order. Fields without a value are left out.
    package let fields: [UInt8]
    /// What the schema does not name, and what its values do not give back: the text of a JSON object.
    package let extra: [UInt8]
    /// False when `occurredAt` is the time received, so that a retry has another id.
    package let hasStableTime: Bool
    /// How its sender behaves: what its fingerprint was made by. Nil: as its source says.
    package let profile: SenderProfile?

    package init(
        id: EventID,
        explicitID: String?,
        contentDigest: Fingerprint,
        tenant: TenantID,
        source: SourceID,
        occurredAt: Timestamp,
        receivedAt: Timestamp,
        versionNumber: Int32,
        type: String?,
        actor: String?,
        machine: String?,
        slots: [String?],
        fields: [UInt8],
        extra: [UInt8],
        hasStableTime: Bool,
        profile: SenderProfile? = nil
    ) {
        self.id = id
        self.explicitID = explicitID
        self.contentDigest = contentDigest
        self.tenant = tenant
        self.source = source
        self.occurredAt = occurredAt
        self.receivedAt = receivedAt
        self.versionNumber = versionNumber
        self.type = type
        self.actor = actor
        self.machine = machine
        self.slots = slots
        self.fields = fields
        self.extra = extra
        self.hasStableTime = hasStableTime
        self.profile = profile
    }
}
