/// Which of a tenant's eight slots the indexed fields of a document take. A slot belongs to a field's name and type for good.
package struct SlotPlan: Hashable, Sendable {
    package struct Slot: Hashable, Sendable {
        package let field: String
        package let type: String
        /// 1…8.
        package let number: Int

        package init(field: String, type: String, number: Int) {
            self.field = field
            self.type = type
            self.number = number
        }

        package func isOf(_ field: SchemaField) -> Bool { self.field == field.name && type == field.type.rawValue }
    }

    /// Those that its fields have already.
    package let kept: [Slot]
    /// Those that they would be given: the lowest free ones, in the document's order.
    package let taken: [Slot]
    /// Indexed fields for which there is none.
    package let without: [String]
    /// All that the tenant has given away, in the order of their numbers.
    package let all: [Slot]

    package init(_ document: SchemaDocument, given: [Slot]) {
        var free = Set(1...AcceptedEvent.slotCount).subtracting(given.map(\.number))
        var kept: [Slot] = []
        var taken: [Slot] = []
        var without: [String] = []
        for field in document.fields where field.isIndexed {
            if let slot = given.first(where: { $0.isOf(field) }) {
                kept.append(slot)
            } else if let number = free.min() {
                free.remove(number)
                taken.append(Slot(field: field.name, type: field.type.rawValue, number: number))
            } else {
                without.append(field.name)
            }
        }
        self.kept = kept
        self.taken = taken
        self.without = without
        all = (given + taken).sorted { $0.number < $1.number }
    }

    /// The slot of each indexed field, by name: what `CompiledSchema` takes.
    package var byField: [String: Int] {
        Dictionary((kept + taken).map { ($0.field, $0.number) }) { first, _ in first }
    }

    /// Why a field can't be indexed, and what can be done. Nil when all can.
    package var refusal: String? {
        guard !without.isEmpty else { return nil }
        let names = all.map { "\($0.field) (\($0.type))" }.joined(separator: ", ")
        return """
            no slot is left to index \(without.joined(separator: ", ")): a tenant has \(AcceptedEvent.slotCount), each a field's for good, and they \
            are \(names)'s; leave `indexed` out (the field can be filtered by all the same, only slower), or give it the name and type of one \
            of these that no schema has any more
            """
    }
}
