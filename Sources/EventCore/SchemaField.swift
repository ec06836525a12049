/// One custom field of a schema document.
package struct SchemaField: Hashable, Sendable {
    package enum FieldType: String, CaseIterable, Sendable {
        case string
        /// An integer literal within 64 bits.
        case integer
        /// An exact decimal.
        case number
        case boolean
        case timestamp
        case uuid
        case ip
        case `enum`
        case strings = "string[]"
    }

    /// One line of `values`: a sent text and what it stands for, as the field's type is stored (JSON text).
    package struct Translation: Hashable, Sendable {
        package let sent: String
        package let stored: String
    }

    package let name: String
    /// Tried in order: the first that leads to a value. Empty for a constant.
    package let from: [JSONPointer]
    package let type: FieldType
    /// What the field was called in the version before.
    package let renamedFrom: String?
    /// A constant's value, as the field's type is stored (JSON text).
    package let value: String?
    /// What stands for a value that was not sent (JSON text).
    package let standIn: String?
    package let isRequired: Bool
    package let isIndexed: Bool
    /// An empty string counts as no value.
    package let isEmptyNull: Bool
    /// In Unicode scalars; of each string, for `string[]`.
    package let minLength: Int?
    package let maxLength: Int?
    /// Of each string, for `string[]`.
    package let pattern: SchemaPattern?
    /// Inclusive, as written.
    package let minimum: String?
    package let maximum: String?
    /// An enum's values.
    package let allowed: [String]
    /// A closed table of sent texts. Empty: values are taken as sent.
    package let translations: [Translation]
    /// For timestamps. Nil: RFC 3339 text.
    package let unit: TimestampUnit?
}
