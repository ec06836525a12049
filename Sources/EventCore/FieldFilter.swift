/// What a query asks of a schema field, as its newest version has it.
package struct FieldFilter: Hashable, Sendable {
    package enum Comparison: String, CaseIterable, Hashable, Sendable {
        /// Has this value; of a list: holds it.
        case equals
        /// At least this much, or at this time or later.
        case min
        /// At most this much, or at this time or earlier.
        case max
    }

    package let field: String
    package let comparison: Comparison
    package let text: String

    package init(field: String, comparison: Comparison, text: String) {
        self.field = field
        self.comparison = comparison
        self.text = text
    }
}

extension SchemaHistory {
    /// A filter made ready for the rows of one schema.
    package struct FieldQuery: Sendable {
        /// Where rows may match that have no slot's help. Which of them do, `matches` tells.
        package enum Place: Hashable, Sendable {
            /// The slot holds this text.
            case slot(Int, String)
            /// In rows of these versions the value under this name is this JSON, or a list that holds it.
            case stored(versions: [Int32], name: String, json: String)
            /// The same for a number or a time to be compared.
            case compared(versions: [Int32], name: String, isTime: Bool, isLeast: Bool, text: String)
            /// Rows of these versions, whatever they hold.
            case versions([Int32])
        }

        package let places: [Place]
        let field: SchemaField
        let comparison: FieldFilter.Comparison
        let value: [UInt8]

        /// Whether a row matches, by its `fields` in the newest shape.
        package func matches(_ fields: [UInt8]) -> Bool {
            guard let stored = JSONTree(fields)?[field.name], !stored.elementsEqual("null".utf8) else { return false }
            let (sent, wanted) = (String(decoding: stored, as: UTF8.self), String(decoding: value, as: UTF8.self))
            switch field.type {
            case .integer, .number:
                guard let left = DecimalNumber(sent), let right = DecimalNumber(wanted) else { return false }
                return compare(left, right)
            case .timestamp:
                guard let left = Timestamp(rfc3339: JSONText.plain(sent)), let right = Timestamp(rfc3339: JSONText.plain(wanted)) else {
                    return false
                }
                return compare(left, right)
            case .strings:
                return JSONText.strings(sent).contains(JSONText.plain(wanted))
            default:
                return JSONText.plain(sent) == JSONText.plain(wanted)
            }
        }

        private func compare<Value: Comparable>(_ left: Value, _ right: Value) -> Bool {
            switch comparison {
            case .equals: left == right
            case .min: left >= right
            case .max: left <= right
            }
        }
    }

    package enum FilterFault: Error, Hashable, Sendable {
        /// The newest version has no such field.
        case noSuchField
        /// The text is no value of the field's type, which is said.
        case notOfType(String)
        /// A range of what has no order.
        case noOrder(String)
    }

    /// - Parameters:
    ///   - slot: the one that the field's name and type have, if any.
    ///   - isFilled: rows of all versions have in their slots what the newest gives them.
    package func query(_ filter: FieldFilter, slot: Int?, isFilled: Bool = false) throws(FilterFault) -> FieldQuery {
        let fields = newest.document.fields
        guard let place = fields.firstIndex(where: { $0.name == filter.field }) else { throw .noSuchField }
        let field = fields[place]
        let isOrdered = field.type == .integer || field.type == .number || field.type == .timestamp
        guard filter.comparison == .equals || isOrdered else { throw .noOrder(field.type.rawValue) }
        // Bounds of whole numbers may have fractions.
        let type = field.type == .integer ? .number : field.type == .strings ? .string : field.type
        guard let value = FieldCast.value(filter.text, of: type) else { throw .notOfType(field.type.rawValue) }
        let places = places(of: place, field, filter.comparison, value, slot)
        return FieldQuery(
            places: isFilled ? inSlot(field, filter.comparison, value, slot) ?? places : places,
            field: field,
            comparison: filter.comparison,
            value: value
        )
    }

    private func inSlot(
        _ field: SchemaField,
        _ comparison: FieldFilter.Comparison,
        _ value: [UInt8],
        _ slot: Int?
    ) -> [FieldQuery.Place]? {
        guard let slot, field.isIndexed, comparison == .equals else { return nil }
        let text = FieldRule.slotText(String(decoding: value, as: UTF8.self), field.type)
        // What is too long for a slot can't have been filled in.
        return text.utf8.count <= AcceptedEvent.longestIndexedValue ? [.slot(slot, text)] : nil
    }

    private func places(
        of place: Int,
        _ field: SchemaField,
        _ comparison: FieldFilter.Comparison,
        _ value: [UInt8],
        _ slot: Int?
    ) -> [FieldQuery.Place] {
        let json = String(decoding: value, as: UTF8.self)
        var inSlot = false
        var byName: [String: [Int32]] = [:]
        var others: [Int32] = []
        for (number, shape) in shapes.sorted(by: { $0.key < $1.key }) {
            let source = shape.sources[place]
            // A default, or a constant, stands in rows that have no value of their own.
            if number != newest.number, field.isFilledIn(source) { others.append(number) }
            guard let source else { continue }
            if source.type != field.type {
                others.append(number)
            } else if comparison == .equals, source.isIndexed, source.name == field.name, slot != nil {
                inSlot = true
            } else {
                byName[source.name, default: []].append(number)
            }
        }
        var places: [FieldQuery.Place] = []
        if inSlot, let slot { places.append(.slot(slot, FieldRule.slotText(json, field.type))) }
        for (name, versions) in byName.sorted(by: { $0.key < $1.key }) {
            if comparison == .equals {
                places.append(.stored(versions: versions, name: name, json: json))
            } else {
                let (isTime, isLeast) = (field.type == .timestamp, comparison == .min)
                let text = JSONText.plain(json)
                places.append(.compared(versions: versions, name: name, isTime: isTime, isLeast: isLeast, text: text))
            }
        }
        if !others.isEmpty { places.append(.versions(Array(Set(others)).sorted())) }
        return places
    }
}
