extension SchemaHistory {
    /// A field of the newest version, and where rows of every version have it: what a view in SQL is made of.
    package struct Column: Encodable, Sendable {
        /// Rows of these versions have it under this name and of this type; nil: they have not, and what is fixed stands for it.
        package struct Place: Encodable, Sendable {
            package let versions: [Int32]
            package let field: String?
            package let type: String?
        }

        package let name: String
        package let type: String
        /// An enum's values; empty: any.
        package let allowed: [String]
        /// What stands for a value that is not there (JSON text).
        package let fixed: String?
        /// Versions whose rows are in none of them have no value.
        package let places: [Place]
    }

    /// All versions, oldest first.
    package var numbers: [Int32] { shapes.keys.sorted() }

    /// The newest version's fields in its order. As ``shaped(fields:extra:readWith:)`` has them, a row's `extra` apart.
    package var columns: [Column] {
        let ordered = shapes.sorted { $0.key > $1.key }
        return newest.document.fields.enumerated().map { index, field in
            var places: [(field: String?, type: String?, versions: [Int32])] = []
            for (number, shape) in ordered {
                let source = shape.sources[index]
                if source == nil, field.fixed == nil { continue }
                let (name, type) = (source?.name, source?.type.rawValue)
                if let known = places.firstIndex(where: { $0.field == name && $0.type == type }) {
                    places[known].versions.append(number)
                } else {
                    places.append((name, type, [number]))
                }
            }
            return Column(
                name: field.name,
                type: field.type.rawValue,
                allowed: field.allowed,
                fixed: field.fixed,
                places: places.map { Column.Place(versions: $0.versions.sorted(), field: $0.field, type: $0.type) }
            )
        }
    }
}
