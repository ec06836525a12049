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
    package var unfilledVersions: [Int32] {
        shapes.filter { number, shape in
            guard number != newest.number else { return false }
            return zip(newest.document.fields, shape.sources).contains { field, source in
                guard field.isIndexed else { return false }
                guard let source else { return field.isFilledIn(nil) }
                let isInSlot = source.isIndexed && source.name == field.name && source.type == field.type
                return !isInSlot || field.isFilledIn(source)
            }
        }.map(\.key).sorted()
    }
}
