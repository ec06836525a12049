/// A schema field made ready: what costs time to work out is worked out once.
final class FieldRule: Sendable {
    struct Translated: Hashable, Sendable {
        /// JSON text, for `fields`.
        let json: [UInt8]
        /// For a slot.
        let text: String
    }

    let type: SchemaField.FieldType
    let pointer: String
    /// `"name":`
    let prefix: [UInt8]
    let slot: Int?
    let isRequired: Bool
    let isEmptyNull: Bool
    let minLength: Int?
    let maxLength: Int?
    let minimum: DecimalNumber?
    let maximum: DecimalNumber?
    let allowed: Set<String>
    let translations: [String: Translated]
    let unit: TimestampUnit?

    init(_ field: SchemaField, slot: Int?) {
        type = field.type
        pointer = field.from.description
        prefix = Array((SchemaDocument.quoted(field.name) + ":").utf8)
        self.slot = slot
        isRequired = field.isRequired
        isEmptyNull = field.isEmptyNull
        minLength = field.minLength
        maxLength = field.maxLength
        minimum = field.minimum.flatMap(DecimalNumber.init)
        maximum = field.maximum.flatMap(DecimalNumber.init)
        allowed = Set(field.allowed)
        var translations: [String: Translated] = [:]
        for line in field.translations {
            translations[line.sent] = Translated(json: Array(line.stored.utf8), text: Self.text(ofJSON: line.stored))
        }
        self.translations = translations
        unit = field.unit
    }

    private static func text(ofJSON json: String) -> String {
        let bytes = Array(json.utf8)
        var tape = JSONTape()
        guard (try? tape.scan(bytes)) != nil, tape.kind(of: 0) == .string else { return json }
        return tape.string(0, bytes.span)
    }
}
