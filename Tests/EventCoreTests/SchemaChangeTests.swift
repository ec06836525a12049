import Testing

@testable import EventCore

@Suite struct SchemaChangeTests {
    private func document(_ fields: String, _ rest: String = "") throws -> SchemaDocument {
        try SchemaDocument(
            yaml:
                "schema: x\nfields:\n\(fields.isEmpty ? "  {}" : fields.split(separator: ";").map { "  \($0)" }.joined(separator: "\n"))\n\(rest)"
        )
    }

    private func change(_ old: String, _ new: String) throws -> SchemaChange {
        SchemaChange(from: try document(old), to: try document(new))
    }

    @Test(
        arguments: [
            ("", "a: { from: /a, type: string }", .addition), ("", "a: { from: /a, type: string, required: true }", .model),
            ("", "a: { value: x, type: string }", .addition), ("a: { from: /a, type: string }", "", .revision),
            ("a: { from: /a, type: string }", "a: { from: /a, type: string, required: true }", .model),
            ("a: { from: /a, type: string, required: true }", "a: { from: /a, type: string }", .revision),
            ("a: { from: /a, type: string }", "b: { from: /a, type: string, renamed_from: a }", .revision),
            ("a: { from: /a, type: string }", "a: { from: [/b, /a], type: string }", .model),
            ("a: { from: /a, type: string }", "a: { from: [/a, /b], type: string }", .revision),
            ("a: { from: [/a, /b], type: string }", "a: { from: [/b, /a], type: string }", .model),
            ("a: { from: [/a, /b], type: string }", "a: { from: [/a, /c, /b], type: string }", .model),
            ("a: { from: [/a, /b], type: string }", "a: { from: /b, type: string }", .model),
            ("a: { from: [/a, /b], type: string }", "a: { from: /a, type: string }", .revision),
            ("a: { from: [/a, /b], type: string, required: true }", "a: { from: /a, type: string, required: true }", .model),
            ("a: { from: /a, type: string, required: true }", "a: { from: /b, type: string, required: true }", .model),
            ("a: { from: /a, type: string }", "a: { from: /b, type: string }", .model),
            ("a: { from: /a, type: string }", "a: { from: /a, type: integer }", .model),
            ("a: { from: /a, type: integer }", "a: { from: /a, type: number }", .revision),
            ("a: { from: /a, type: integer }", "a: { from: /a, type: number, min: 0 }", .model),
            ("a: { from: /a, type: number }", "a: { from: /a, type: integer }", .model),
            ("a: { from: /a, type: uuid }", "a: { from: /a, type: string }", .revision),
            ("a: { from: /a, type: uuid }", "a: { from: /a, type: string, max_length: 3 }", .model),
            ("a: { from: /a, type: timestamp }", "a: { from: /a, type: timestamp, unit: seconds }", .model),
            ("a: { from: /a, type: string }", "a: { from: /a, type: string, max_length: 5 }", .model),
            ("a: { from: /a, type: string, max_length: 5 }", "a: { from: /a, type: string, max_length: 9 }", .revision),
            ("a: { from: /a, type: string, max_length: 5 }", "a: { from: /a, type: string, max_length: 4 }", .model),
            ("a: { from: /a, type: string, min_length: 5 }", "a: { from: /a, type: string, min_length: 6 }", .model),
            ("a: { from: /a, type: string }", "a: { from: /a, type: string, pattern: 'a+' }", .model),
            ("a: { from: /a, type: string, pattern: 'a+' }", "a: { from: /a, type: string }", .revision),
            ("a: { from: /a, type: integer, max: 10 }", "a: { from: /a, type: integer, max: 9 }", .model),
            ("a: { from: /a, type: integer, max: 10 }", "a: { from: /a, type: integer, max: 1e1 }", .revision),
            ("a: { from: /a, type: enum, values: [a, b] }", "a: { from: /a, type: enum, values: [a] }", .model),
            ("a: { from: /a, type: enum, values: [a] }", "a: { from: /a, type: enum, values: [a, b] }", .revision),
            ("a: { from: /a, type: enum, values: [a] }", "a: { from: /a, type: string }", .revision),
            ("a: { from: /a, type: boolean }", "a: { from: /a, type: boolean, values: { y: true } }", .model),
            (
                "a: { from: /a, type: boolean, values: { y: true } }", "a: { from: /a, type: boolean, values: { y: true, n: false } }",
                .revision
            ),
            ("a: { from: /a, type: string }", "a: { from: /a, type: string, default: x }", .revision),
            ("a: { from: /a, type: string }", "a: { from: /a, type: string, indexed: true }", .revision),
            ("a: { from: /a, type: timestamp }", "a: { from: /a, type: timestamp, empty_as_null: true }", .revision),
            ("a: { from: /a, type: timestamp, empty_as_null: true }", "a: { from: /a, type: timestamp }", .model),
            ("a: { from: /a, type: string, required: true }", "a: { from: /a, type: string, required: true, empty_as_null: true }", .model),
            (
                "a: { from: /a, type: string };b: { from: /b, type: string }",
                "b: { from: /b, type: string };a: { from: /a, type: string }", .revision
            ),
        ] as [(String, String, SchemaVersion.Step)]
    )
    func numbersAStepByItsDifference(old: String, new: String, step: SchemaVersion.Step) throws {
        let change = try change(old, new)
        #expect(change.step == step, "\(change.differences)")
        #expect(change.isBreaking == (step == .model))
    }

    @Test(
        arguments: [
            ("", "core: { type: /t }", .addition), ("core: { type: /t }", "", .revision), ("", "core: { occurred_at: /t }", .model),
            ("core: { occurred_at: /t }", "", .revision), ("", "id: /i", .addition), ("", "unknown: drop", .revision),
            ("", "unknown: reject", .model), ("unknown: reject", "", .revision), ("core: { actor: /a }", "core: { actor: /b }", .revision),
            ("unknown: reject\ncore: { actor: /a }", "unknown: reject", .model),
        ] as [(String, String, SchemaVersion.Step)]
    )
    func comparesWhatIsNoField(old: String, new: String, step: SchemaVersion.Step) throws {
        let fields = "a: { from: /z, type: string }"
        let change = SchemaChange(from: try document(fields, old), to: try document(fields, new))
        #expect(change.step == step, "\(change.differences)")
    }

    @Test func theSameDocumentIsNoStep() throws {
        let field = "a: { from: /a, type: string }"
        #expect(try change(field, field).step == nil)
        #expect(try change(field, "a: { type: string, from: /a, required: false }").step == nil)
    }

    @Test func saysWhatBecomesOfOldRows() throws {
        let change = try change(
            "a: { from: /a, type: string };b: { from: /b, type: string };c: { from: /c, type: string }",
            "n: { from: /a, type: string, renamed_from: a };b: { from: /b, type: integer };d: { from: /d, type: integer, default: 3 }"
        )
        let rows = Dictionary(change.differences.map { ($0.subject, $0.oldRows ?? "") }) { first, _ in first }
        #expect(rows["n"]?.contains("show it as n") == true && rows["b"]?.contains("null") == true)
        #expect(rows["d"]?.contains("read as 3") == true && rows["c"]?.contains("extra") == true)
    }

    @Test func warnsOfARenameFromNothing() throws {
        let change = try change("serial: { from: /s, type: string }", "number: { from: /s, type: string, renamed_from: seral }")
        let caution = change.differences.first { $0.subject == "number" }?.caution
        #expect(caution?.contains("no seral") == true && caution?.contains("would be refused") == true, "\(caution ?? "")")
    }

    @Test func countsVersions() {
        let version = SchemaVersion("1-2-3")
        #expect(version?.next(.addition).description == "1-2-4" && version?.next(.revision).description == "1-3-0")
        #expect(version?.next(.model).description == "2-0-0" && SchemaVersion("1-2") == nil && SchemaVersion("1-2-x") == nil)
        #expect(SchemaVersion("1--2") == nil)
    }

    @Test func aSlotIsAFieldsForGood() throws {
        let given = [SlotPlan.Slot(field: "a", type: "string", number: 2), SlotPlan.Slot(field: "z", type: "string", number: 1)]
        let fields = "a: { from: /a, type: string, indexed: true };b: { from: /b, type: ip, indexed: true };c: { from: /c, type: ip }"
        let plan = SlotPlan(try document(fields), given: given)
        #expect(plan.byField == ["a": 2, "b": 3] && plan.taken.map(\.field) == ["b"] && plan.refusal == nil)
        let full = (1...8).map { SlotPlan.Slot(field: "f\($0)", type: "string", number: $0) }
        let refusal = SlotPlan(try document(fields), given: full).refusal
        #expect(
            refusal?.contains("a, b") == true && refusal?.contains("leave `indexed` out") == true
                && refusal?.contains("f8 (string)") == true
        )
    }
}
