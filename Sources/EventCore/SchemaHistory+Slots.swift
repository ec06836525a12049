extension SchemaHistory {
    /// The slots' texts of a row, by its `fields` in the newest shape.
    ///
    /// - Parameter slots: of the newest version's indexed fields, by name.
    package func slotTexts(_ fields: [UInt8], slots: [String: Int]) -> [Int: String] {
        guard let values = JSONTree(fields) else { return [:] }
        var texts: [Int: String] = [:]
        for field in newest.document.fields where field.isIndexed {
            guard let slot = slots[field.name], let value = values[field.name], !value.elementsEqual("null".utf8) else { continue }
            let text = FieldRule.slotText(String(decoding: value, as: UTF8.self), field.type)
            // It was never held to what a slot takes. A filter so long does not rely on slots.
            if text.utf8.count <= AcceptedEvent.longestIndexedValue { texts[slot] = text }
        }
        return texts
    }

    /// Versions whose rows may lack what the newest would have put into slots.
    ///
    /// - Parameter filled: the versions up to the one in whose shape the rows of those before it were filled in.
    package func unfilledVersions(since filled: SchemaHistory? = nil) -> [Int32] {
        Set(newest.document.fields.indices.flatMap { unfilledVersions(of: $0, since: filled) }).sorted()
    }

    /// Whether rows of all versions have in a field's slot what the newest gives them.
    package func isFilled(_ field: String, since filled: SchemaHistory?) -> Bool {
        guard let place = newest.document.fields.firstIndex(where: { $0.name == field }) else { return false }
        return unfilledVersions(of: place, since: filled).isEmpty
    }

    private func unfilledVersions(of place: Int, since filled: SchemaHistory?) -> [Int32] {
        let field = newest.document.fields[place]
        guard field.isIndexed else { return [] }
        return shapes.filter { number, shape in
            let source = shape.sources[place]
            if number == newest.number || filled?.hasFilled(field, from: source, in: number) == true { return false }
            guard let source else { return field.isFilledIn(nil) }
            return !source.hasSlot(of: field) || field.isFilledIn(source)
        }.map(\.key)
    }

    /// Whether rows of a version got, in the shape of this history's newest, what a later one's field has in its slot.
    private func hasFilled(_ field: SchemaField, from source: SchemaField?, in number: Int32) -> Bool {
        guard let place = newest.document.fields.firstIndex(where: { $0.name == field.name }), let shape = shapes[number] else {
            return false
        }
        let before = newest.document.fields[place]
        return before.hasSlot(of: field) && before.from == field.from && before.allowed == field.allowed && before.fixed == field.fixed
            && shape.sources[place] == source
    }
}

extension SchemaField {
    /// Whether what is stored of this one is in the slot of another version's field.
    package func hasSlot(of field: SchemaField) -> Bool { isIndexed && name == field.name && type == field.type }
}
