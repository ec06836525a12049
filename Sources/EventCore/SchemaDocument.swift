/// A schema as a tenant writes it: where an event's core columns and custom fields are found in a record, and their rules.
///
/// It is data: nothing is looked up or compiled here. `CompiledSchema` is what records are read with.
package struct SchemaDocument: Hashable, Sendable {
    package struct Core: Hashable, Sendable {
        package struct OccurredAt: Hashable, Sendable {
            package let from: JSONPointer
            /// Nil: RFC 3339 text.
            package let unit: TimestampUnit?
        }

        package let type: JSONPointer?
        package let occurredAt: OccurredAt?
        package let actor: JSONPointer?
        package let machine: JSONPointer?
    }

    /// What becomes of members that no pointer names.
    package enum UnknownMembers: String, CaseIterable, Sendable {
        /// They go to `extra`.
        case keep
        /// They are forgotten.
        case drop
        /// The record is refused.
        case reject
    }

    package static let mostFields = 256
    /// So many fields may be read from one place of a record: each stores its value once more.
    package static let mostFieldsOfOnePlace = 8
    package static let mostIndexedFields = AcceptedEvent.slotCount

    package let name: String
    /// Where the sender's own id of an event is, for senders without a stable time.
    package let id: JSONPointer?
    package let core: Core
    package let fields: [SchemaField]
    package let unknown: UnknownMembers
    /// The same document as JSON text, always written in the same way: what a checksum is made of. Itself a document.
    package let canonicalForm: String
    /// SHA-256 of the canonical form, 32 bytes.
    package let checksum: [UInt8]

    /// A place that too many fields are read from. Nothing that holds this is published; what was, is read as it is.
    package var crowdedPlace: JSONPointer? {
        var readers: [JSONPointer: Int] = [:]
        for pointer in fields.flatMap(\.from) { readers[pointer, default: 0] += 1 }
        return readers.filter { $0.value > Self.mostFieldsOfOnePlace }.keys.min { $0.description < $1.description }
    }

    init(name: String, id: JSONPointer?, core: Core, fields: [SchemaField], unknown: UnknownMembers) {
        self.name = name
        self.id = id
        self.core = core
        self.fields = fields
        self.unknown = unknown
        canonicalForm = Self.canonicalForm(name: name, id: id, core: core, fields: fields, unknown: unknown)
        checksum = Fingerprint(hashing: Array(canonicalForm.utf8)).bytes
    }
}
