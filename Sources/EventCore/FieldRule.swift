/// A schema field made ready: what costs time to work out is worked out once.
final class FieldRule: Sendable {
    struct Translated: Hashable, Sendable {
        /// JSON text, for `fields`.
        let json: [UInt8]
        /// For a slot.
        let text: String
    }

    let type: SchemaField.FieldType
    /// Where its value may be, in the order in which they are tried; none for a constant.
    let pointers: [String]
    /// The first of them.
    let pointer: String
    /// The places of those pointers' targets.
    let targets: Range<Int>
    /// A constant, or what stands for a value that was not sent.
    let fixed: Translated?
    /// `"name":`
    let prefix: [UInt8]
    let slot: Int?
    let isRequired: Bool
    let isEmptyNull: Bool
    let minLength: Int?
    let maxLength: Int?
    let minimum: DecimalNumber?
    let maximum: DecimalNumber?
    let pattern: SchemaPattern.Matcher?
    let allowed: Set<String>
    let translations: [String: Translated]
    let unit: TimestampUnit?

    /// - Parameter firstTarget: of its pointers in the schema's tree; the others follow it.
    init(_ field: SchemaField, slot: Int?, firstTarget: Int) {
        type = field.type
        pointers = field.from.map(\.description)
        pointer = pointers.first ?? ""
        targets = firstTarget..<(firstTarget + pointers.count)
        fixed = (field.value ?? field.standIn).map { Translated(json: Array($0.utf8), text: Self.slotText($0, field.type)) }
        pattern = field.pattern?.matcher
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
            translations[line.sent] = Translated(json: Array(line.stored.utf8), text: Self.slotText(line.stored, field.type))
        }
        self.translations = translations
        unit = field.unit
    }

    /// What a slot holds for a stored value: equal values have equal texts.
    static func slotText(_ json: String, _ type: SchemaField.FieldType) -> String {
        switch type {
        case .integer, .number: DecimalNumber(json)?.plainText ?? json
        default: JSONText.plain(json)
        }
    }
}
