/// What tells a field from what it was a version before.
struct FieldChange {
    typealias Difference = SchemaChange.Difference

    private let old: SchemaField
    private let new: SchemaField

    init(from old: SchemaField, to new: SchemaField) {
        self.old = old
        self.new = new
    }

    var differences: [Difference] {
        [name, type].compactMap { $0 } + places + presence + (old.type == new.type ? lengths + numbers + values : rulesOfNewType) + index
    }

    private func difference(_ step: SchemaVersion.Step, _ text: String, oldRows: String? = nil, caution: String? = nil) -> Difference {
        Difference(step: step, subject: new.name, text: text, oldRows: oldRows, caution: caution)
    }

    private var name: Difference? {
        guard old.name != new.name else { return nil }
        return difference(.revision, "was called \(old.name)", oldRows: "show it as \(new.name), and are found by that")
    }

    private var type: Difference? {
        guard old.type != new.type else { return nil }
        let rows = "are cast to \(new.type.rawValue); what cannot be is null, and the original in extra"
        // What was accepted as text is accepted as text without rules.
        let isWider = takesWhatOldTakes
        return difference(
            isWider ? .revision : .model,
            "\(old.type.rawValue) becomes \(new.type.rawValue)\(isWider ? "" : ": an event that sends it as before would be refused")",
            oldRows: rows
        )
    }

    private var takesWhatOldTakes: Bool {
        if new.value != nil { return true }
        if old.value != nil { return false }
        guard new.translations.isEmpty else { return false }
        switch (old.type, new.type) {
        case (.integer, .number): return old.translations.isEmpty
        case (.uuid, .string), (.ip, .string), (.enum, .string): return true
        case (.timestamp, .string): return old.unit == nil
        // A translated word was sent as text, whatever it stood for.
        case (.integer, .string), (.number, .string), (.boolean, .string): return !old.translations.isEmpty
        default: return false
        }
    }

    /// A wider type with rules of its own is no wider.
    private var rulesOfNewType: [Difference] {
        guard new.type == .string || new.type == .number else { return [] }
        return lengths + numbers
    }

    // MARK: Where it is

    private var places: [Difference] {
        guard old.from != new.from || old.value != new.value else { return [] }
        if let value = new.value { return [difference(.revision, "is always \(value)")] }
        if old.value != nil {
            return [difference(new.isRequired ? .model : .revision, "is read from \(new.place)")]
        }
        // What was found is found as before, and what is tried then was tried for nothing.
        if new.from.starts(with: old.from) { return [difference(.revision, "is read from \(new.place)")] }
        if old.from.starts(with: new.from) {
            guard new.isRequired else { return [difference(.revision, "is read from \(new.place), no longer from \(old.place)")] }
            return [difference(.model, "is read from \(new.place): an event that has it in \(old.place) only would be refused")]
        }
        let rows = "an event that has it in \(old.place) would be read differently, or refused"
        return [difference(.model, "is read from \(new.place), before or instead of \(old.place): \(rows)")]
    }

    private var presence: [Difference] {
        var all: [Difference] = []
        if new.isRequired, !old.isRequired, old.value == nil {
            all.append(difference(.model, "is required: an event without it would be refused"))
        }
        if old.isRequired, !new.isRequired, new.value == nil { all.append(difference(.revision, "is no longer required")) }
        if old.isEmptyNull != new.isEmptyNull, new.value == nil {
            all.append(new.isEmptyNull ? emptyIsNull : emptyIsText)
        }
        if old.standIn != new.standIn {
            let text = new.standIn.map { "\($0) stands for a value that was not sent" } ?? "no default stands for a value that was not sent"
            all.append(difference(.revision, text, oldRows: new.standIn.map { "without it read as \($0)" }))
        }
        return all
    }

    private var emptyIsNull: Difference {
        let wasTaken = old.type == .string && (old.minLength ?? 0) == 0 && new.isRequired
        return difference(wasTaken ? .model : .revision, "an empty text means no value\(wasTaken ? ", and it is required" : "")")
    }

    private var emptyIsText: Difference {
        let isTaken = new.type == .string && (new.minLength ?? 0) == 0 && new.pattern?.matches("") != false
        return difference(isTaken ? .revision : .model, "an empty text is a text\(isTaken ? "" : ", which would be refused")")
    }

    // MARK: Its rules

    private var lengths: [Difference] {
        var all = bound("min_length", old.minLength, new.minLength) { $0 > $1 }
        all += bound("max_length", old.maxLength, new.maxLength) { $0 < $1 }
        if old.pattern != new.pattern {
            let text = new.pattern.map { "must be of the pattern \($0.source)" } ?? "has no pattern any more"
            all.append(difference(new.pattern == nil ? .revision : .model, text))
        }
        return all
    }

    private var numbers: [Difference] {
        bound("min", old.minimum.flatMap(DecimalNumber.init), new.minimum.flatMap(DecimalNumber.init)) { $0 > $1 }
            + bound("max", old.maximum.flatMap(DecimalNumber.init), new.maximum.flatMap(DecimalNumber.init)) { $0 < $1 }
    }

    private func bound<Value: Equatable>(_ name: String, _ old: Value?, _ new: Value?, _ isTighter: (Value, Value) -> Bool) -> [Difference]
    {
        guard old != new else { return [] }
        guard let new else { return [difference(.revision, "has no \(name) any more")] }
        let text = (new as? DecimalNumber)?.plainText ?? "\(new)"
        let tightens = old.map { isTighter(new, $0) } ?? true
        return [difference(tightens ? .model : .revision, "\(name) is \(text)\(tightens ? ": an event beyond it would be refused" : "")")]
    }

    private var values: [Difference] {
        var all: [Difference] = []
        let lost = old.allowed.filter { !new.allowed.contains($0) }
        let won = new.allowed.filter { !old.allowed.contains($0) }
        if !lost.isEmpty, new.translations.isEmpty {
            all.append(difference(.model, "no longer takes \(lost.joined(separator: ", "))"))
        }
        if !won.isEmpty, old.translations.isEmpty { all.append(difference(.revision, "takes \(won.joined(separator: ", ")) too")) }
        if old.translations != new.translations { all.append(translations) }
        if old.unit != new.unit {
            all.append(difference(.model, "is sent as \(new.unit.map { "a number of \($0.rawValue)" } ?? "RFC 3339 text")"))
        }
        return all
    }

    private var translations: Difference {
        let sent = Set(new.translations.map(\.sent))
        let before = old.translations.isEmpty ? nil : Set(old.translations.map(\.sent))
        if new.translations.isEmpty {
            // Without the table a word must be a value itself.
            return difference(new.type == .string ? .revision : .model, "is no longer translated")
        }
        let takesAll = before.map { sent.isSuperset(of: $0) } ?? (new.type == .enum && sent.isSuperset(of: old.allowed))
        return difference(
            takesAll ? .revision : .model,
            "is translated by another table\(takesAll ? "" : ", which lacks words that came before")"
        )
    }

    private var index: [Difference] {
        guard old.isIndexed != new.isIndexed || (new.isIndexed && (old.name != new.name || old.type != new.type)) else { return [] }
        guard new.isIndexed else { return [difference(.revision, "is no longer indexed")] }
        let longest = AcceptedEvent.longestIndexedValue
        let isBounded = new.type != .string && new.type != .number || (new.maxLength ?? .max) <= longest / 4 || old.isIndexed
        return [
            difference(
                .revision,
                "is indexed",
                oldRows: "are found by it too, sooner once they are filled in: sluice schema backfill",
                caution: isBounded ? nil : "a value over \(longest) bytes would be refused; max_length: \(longest / 4) makes that a rule"
            )
        ]
    }
}
