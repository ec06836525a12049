/// The versions of one schema, and how rows of each are read in the newest one's shape.
package struct SchemaHistory: Sendable {
    package struct Version: Sendable {
        package let number: Int32
        package let document: SchemaDocument

        package init(number: Int32, document: SchemaDocument) {
            self.number = number
            self.document = document
        }
    }

    /// How a version's rows become the newest one's.
    struct Shape: Sendable {
        /// For each field of the newest version what it was in this one.
        let sources: [SchemaField?]
        /// Fields of this version that the newest has not.
        let left: [SchemaField]
        /// Its rows have the newest shape as they are.
        let isSame: Bool
    }

    package let newest: Version
    /// By version number.
    let shapes: [Int32: Shape]

    /// - Parameter versions: in any order; nil when there is none.
    package init?(_ versions: [Version]) {
        let ordered = versions.sorted { $0.number > $1.number }
        guard let newest = ordered.first else { return nil }
        self.newest = newest
        let fields = newest.document.fields
        // What each field was last seen as, on the way back: the newest version's, and behind them those that were given up since. A
        // field that a version has not may be in one before it, unless what was called so there was another: it went by that name later.
        var known = fields
        var isMissing = fields.map { _ in false }
        var shapes: [Int32: Shape] = [:]
        for version in ordered {
            let byName = Dictionary(version.document.fields.map { ($0.name, $0) }) { first, _ in first }
            var sources = known.map { later in byName[later.name] ?? later.renamedFrom.flatMap { byName[$0] } }
            let followed = Set(known.indices.filter { !isMissing[$0] }.compactMap { sources[$0]?.name })
            for place in fields.indices {
                if isMissing[place], let name = sources[place]?.name, followed.contains(name) { sources[place] = nil }
                isMissing[place] = sources[place] == nil
                known[place] = sources[place] ?? known[place]
            }
            let own = Array(sources.prefix(fields.count))
            shapes[version.number] = Shape(version.document, sources: own, of: fields, isNewest: version.number == newest.number)
            let used = Set(own.compactMap { $0?.name })
            let givenUp = version.document.fields.filter { !used.contains($0.name) }
            known = Array(known.prefix(fields.count)) + givenUp
            isMissing = Array(isMissing.prefix(fields.count)) + givenUp.map { _ in false }
        }
        self.shapes = shapes
    }

    /// As it was when a version was the newest.
    package init?(_ versions: [Version], upTo number: Int32) {
        self.init(versions.filter { $0.number <= number })
    }

    /// A row's `fields` and `extra` in the newest shape. A value that cannot be cast is null, and in `extra` where it was sent; so is a
    /// field that is no more.
    ///
    /// - Parameter number: the version that the row was read with.
    package func shaped(fields: [UInt8], extra: [UInt8], readWith number: Int32) -> (fields: [UInt8], extra: [UInt8]) {
        guard let shape = shapes[number], !shape.isSame, let values = JSONTree(fields), var rest = JSONTree(extra) else {
            return (fields, extra)
        }
        var members: [(key: [UInt8], value: JSONTree)] = []
        for (field, source) in zip(newest.document.fields, shape.sources) {
            let stored = source.flatMap { values[$0.name] }
            guard let value = Self.value(stored, source, field, &rest) else { continue }
            members.append((Array(field.name.utf8), .raw(value)))
        }
        for field in shape.left {
            if let value = values[field.name], !value.isNull { rest.keep(value, of: field) }
        }
        return (JSONTree.object(members).text, rest.text)
    }

    private static func value(_ stored: [UInt8]?, _ source: SchemaField?, _ field: SchemaField, _ rest: inout JSONTree) -> [UInt8]? {
        if let stored, let source, !stored.isNull {
            if let value = FieldCast.cast(stored, from: source.type, to: field) { return value }
            rest.keep(stored, of: source)
            return Array("null".utf8)
        }
        if let fixed = field.fixed { return Array(fixed.utf8) }
        return stored
    }
}

extension SchemaHistory.Shape {
    fileprivate init(_ document: SchemaDocument, sources: [SchemaField?], of fields: [SchemaField], isNewest: Bool) {
        self.sources = sources
        let used = Set(sources.compactMap { $0?.name })
        left = document.fields.filter { !used.contains($0.name) }
        let isLike = zip(sources, fields).allSatisfy { source, field in
            guard let source else { return field.fixed == nil }
            return source.name == field.name && source.type == field.type && !field.isFilledIn(source)
        }
        isSame = isNewest || (isLike && left.isEmpty)
    }
}

extension SchemaField {
    /// What stands in a row that has no value of its own: JSON text.
    var fixed: String? { value ?? standIn }

    /// Whether rows of an earlier version can lack what stands in those of this one.
    func isFilledIn(_ earlier: SchemaField?) -> Bool { fixed != nil && fixed != earlier?.fixed }
}

extension JSONTree {
    /// Puts a value back where it was sent, unless the original is there.
    fileprivate mutating func keep(_ value: [UInt8], of field: SchemaField) {
        guard let pointer = field.from.first, !field.from.contains(where: { has($0.segments[...]) }) else { return }
        fill(pointer.segments[...], with: value)
    }
}

extension [UInt8] {
    fileprivate var isNull: Bool { elementsEqual("null".utf8) }
}
