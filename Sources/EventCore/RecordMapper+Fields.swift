extension RecordMapper {
    /// A field's value, as it is stored.
    struct FieldValue {
        /// JSON text; nil: the token as sent.
        var json: [UInt8]?
        /// For a slot; nil: the token as sent.
        var text: String?
        /// Whether the stored value gives back what was sent.
        var isRestorable = true
    }

    /// The text of `fields`: an entry for each field that was sent, in the schema's order. One that was sent as null, or empty where
    /// that means null, is null there: what was sent without a value reads differently from what was never sent.
    mutating func fields(_ schema: CompiledSchema, _ record: Span<UInt8>, slots: inout [String?]) throws(Rejection) -> [UInt8] {
        var fields: [UInt8] = [UInt8(ascii: "{")]
        fields.reserveCapacity(record.count / 2 + 2)
        patternSteps = SchemaPattern.Steps(recordBytes: record.count)
        for rule in schema.rules {
            guard let (index, pointer) = value(for: rule) else {
                guard !rule.isRequired else { throw Rejection(.missingField, pointer: rule.pointer, "required, and not there") }
                if let fixed = rule.fixed {
                    Self.start(rule, in: &fields)
                    fields.append(contentsOf: fixed.json)
                    if let slot = rule.slot { Self.fill(slot, with: fixed.text, &slots) }
                } else if rule.targets.contains(where: { found[$0] > 0 }) {
                    Self.start(rule, in: &fields)
                    fields.append(contentsOf: "null".utf8)
                }
                continue
            }
            let value: FieldValue
            do {
                value = try read(index, rule, record)
            } catch {
                throw pointer == 0 ? error : error.moved(from: rule.pointer, to: rule.pointers[pointer])
            }
            if value.isRestorable { tape.mark(index, .restorable) }
            Self.start(rule, in: &fields)
            if let json = value.json {
                fields.append(contentsOf: json)
            } else {
                tape.appendCompact(index, record, to: &fields)
            }
            guard let slot = rule.slot else { continue }
            let text = value.text ?? String(utf8: record, tape.tokens[index].range)
            guard text.utf8.count <= AcceptedEvent.longestIndexedValue else {
                let detail = "indexed, and longer than \(AcceptedEvent.longestIndexedValue) bytes"
                throw Rejection(.tooLong, pointer: rule.pointers[pointer], detail)
            }
            Self.fill(slot, with: text, &slots)
        }
        fields.append(UInt8(ascii: "}"))
        return fields
    }

    /// The first of a field's pointers that leads to a value: the value's token, and which pointer. A null is kept in `extra` where
    /// `fields` does not say it.
    private mutating func value(for rule: FieldRule) -> (index: Int, pointer: Int)? {
        let isSaid = rule.targets.count == 1 && rule.fixed == nil
        for (pointer, target) in rule.targets.enumerated() {
            let index = found[target]
            guard index > 0 else { continue }
            let isNull = tape.kind(of: index) == .null
            guard isNull || isEmptyNull(index, rule) else { return (index, pointer) }
            if isSaid { tape.mark(index, .restorable) }
        }
        return nil
    }

    private static func fill(_ slot: Int, with text: String, _ slots: inout [String?]) {
        if slots.isEmpty { slots.append(contentsOf: repeatElement(nil, count: AcceptedEvent.slotCount)) }
        slots[slot - 1] = text
    }

    private static func start(_ rule: FieldRule, in fields: inout [UInt8]) {
        if fields.count > 1 { fields.append(UInt8(ascii: ",")) }
        fields.append(contentsOf: rule.prefix)
    }

    private func isEmptyNull(_ index: Int, _ rule: FieldRule) -> Bool {
        rule.isEmptyNull && tape.kind(of: index) == .string && tape.tokens[index].contents.isEmpty
    }

    private mutating func read(_ index: Int, _ rule: FieldRule, _ record: Span<UInt8>) throws(Rejection) -> FieldValue {
        guard rule.translations.isEmpty else { return try translate(index, rule, record) }
        switch rule.type {
        case .string:
            try check(kind: .string, "a string", index, rule)
            return try text(index, rule, record)
        case .enum:
            try check(kind: .string, "a string", index, rule)
            let text = tape.string(index, record)
            guard rule.allowed.contains(text) else { throw Rejection(.notInEnum, pointer: rule.pointer, "none of the schema's values") }
            return FieldValue(text: text)
        case .boolean:
            let kind = tape.kind(of: index)
            guard kind == .true || kind == .false else { throw mismatch("true or false", rule) }
            return FieldValue()
        case .integer, .number:
            try check(kind: .number, rule.type == .integer ? "an integer" : "a number", index, rule)
            return try number(index, rule, record)
        case .timestamp:
            try check(kind: rule.unit == nil ? .string : .number, Self.expectation(rule.unit), index, rule)
            guard let (timestamp, isRestorable) = timestamp(index, unit: rule.unit, record) else {
                throw Rejection(.timestampInvalid, pointer: rule.pointer, Self.expectation(rule.unit))
            }
            // Canonical text stays as it was sent.
            if isRestorable, !tape.tokens[index].isEscaped {
                return FieldValue(text: rule.slot == nil ? nil : tape.string(index, record))
            }
            return quoted(timestamp.rfc3339(), isRestorable: isRestorable)
        case .uuid, .ip:
            try check(kind: .string, "a string", index, rule)
            let sent = tape.string(index, record)
            guard let canonical = rule.type == .uuid ? UUIDText.canonical(sent) : IPAddressText.canonical(sent) else {
                throw mismatch(rule.type == .uuid ? "a UUID" : "an IP address", rule)
            }
            return quoted(canonical, isRestorable: canonical == sent)
        case .strings:
            return try strings(index, rule, record)
        }
    }

    /// A sent text's place in the closed table `values`. The sent text is not what is stored.
    private func translate(_ index: Int, _ rule: FieldRule, _ record: Span<UInt8>) throws(Rejection) -> FieldValue {
        try check(kind: .string, "a string", index, rule)
        guard let translated = rule.translations[tape.string(index, record)] else {
            throw Rejection(.notInEnum, pointer: rule.pointer, "none of the schema's values")
        }
        return FieldValue(json: translated.json, text: translated.text, isRestorable: false)
    }

    /// Nothing is copied but what a slot holds, and an escaped text to be checked.
    private mutating func text(_ index: Int, _ rule: FieldRule, _ record: Span<UInt8>) throws(Rejection) -> FieldValue {
        try checkText(index, rule, record, pointer: rule.pointer)
        return FieldValue(text: rule.slot == nil ? nil : tape.string(index, record))
    }

    private func number(_ index: Int, _ rule: FieldRule, _ record: Span<UInt8>) throws(Rejection) -> FieldValue {
        let range = tape.tokens[index].range
        if rule.type == .integer {
            for place in range where !record[place].isASCIIDigit && record[place] != UInt8(ascii: "-") {
                throw mismatch("an integer", rule)
            }
            guard Int64(String(utf8: record, range)) != nil else {
                throw Rejection(.outOfRange, pointer: rule.pointer, "beyond 64 bits")
            }
        }
        if rule.minimum != nil || rule.maximum != nil, let number = DecimalNumber(record, range) {
            if let minimum = rule.minimum, number < minimum {
                throw Rejection(.outOfRange, pointer: rule.pointer, "below the schema's `min`")
            }
            if let maximum = rule.maximum, maximum < number {
                throw Rejection(.outOfRange, pointer: rule.pointer, "above the schema's `max`")
            }
        }
        guard rule.slot != nil else { return FieldValue() }
        return FieldValue(text: DecimalNumber(record, range)?.plainText)
    }

    private mutating func strings(_ index: Int, _ rule: FieldRule, _ record: Span<UInt8>) throws(Rejection) -> FieldValue {
        try check(kind: .array, "a list of strings", index, rule)
        let end = tape.tokens[index].next
        var item = index + 1
        var place = 0
        while item < end {
            let pointer = "\(rule.pointer)/\(place)"
            guard tape.kind(of: item) == .string else { throw Rejection(.typeMismatch, pointer: pointer, "must be a string") }
            try checkText(item, rule, record, pointer: pointer)
            item = tape.tokens[item].next
            place += 1
        }
        return FieldValue()
    }

    private mutating func checkText(_ index: Int, _ rule: FieldRule, _ record: Span<UInt8>, pointer: String) throws(Rejection) {
        guard rule.minLength != nil || rule.maxLength != nil || rule.pattern != nil else { return }
        let token = tape.tokens[index]
        guard token.isEscaped else { return try check(text: record.extracting(token.contents), rule, pointer: pointer) }
        var decoded: [UInt8] = []
        JSONTape.decode(token, record, into: &decoded)
        try check(text: decoded.span, rule, pointer: pointer)
    }

    private mutating func check(text: Span<UInt8>, _ rule: FieldRule, pointer: String) throws(Rejection) {
        if rule.minLength != nil || rule.maxLength != nil {
            // A scalar has one byte that continues no other.
            var length = 0
            for place in 0..<text.count where text[place] & 0xC0 != 0x80 { length += 1 }
            if let least = rule.minLength, length < least { throw Rejection(.tooShort, pointer: pointer, "shorter than \(least)") }
            if let most = rule.maxLength, length > most { throw Rejection(.tooLong, pointer: pointer, "longer than \(most)") }
        }
        guard let pattern = rule.pattern else { return }
        guard text.count <= SchemaPattern.longestValue else {
            throw Rejection(.tooLong, pointer: pointer, "longer than the \(SchemaPattern.longestValue) bytes that a pattern looks at")
        }
        let fits = pattern.matches(text, &patternSteps)
        guard !patternSteps.areSpent else {
            throw Rejection(.tooCostly, pointer: pointer, "the schema's patterns take more steps for this record than one may cost")
        }
        guard fits else { throw Rejection(.patternMismatch, pointer: pointer, "not of the schema's `pattern`") }
    }

    private func check(kind: JSONToken.Kind, _ name: String, _ index: Int, _ rule: FieldRule) throws(Rejection) {
        guard tape.kind(of: index) == kind else { throw mismatch(name, rule) }
    }

    private func mismatch(_ name: String, _ rule: FieldRule) -> Rejection {
        Rejection(.typeMismatch, pointer: rule.pointer, name.hasPrefix("must") ? name : "must be \(name)")
    }

    /// Canonical texts have nothing to escape.
    private func quoted(_ text: String, isRestorable: Bool) -> FieldValue {
        FieldValue(json: Array("\"\(text)\"".utf8), text: text, isRestorable: isRestorable)
    }
}

extension Rejection {
    /// The same of another pointer.
    fileprivate func moved(from old: String, to new: String) -> Rejection {
        guard let pointer, pointer.hasPrefix(old) else { return self }
        return Rejection(code, pointer: new + pointer.dropFirst(old.count), detail)
    }
}
