extension RecordMapper {
    /// The text of `extra`, as the schema's `unknown` asks for it.
    mutating func extra(_ unknown: SchemaDocument.UnknownMembers, _ record: Span<UInt8>) throws(Rejection) -> [UInt8] {
        if unknown == .drop { return Array("{}".utf8) }
        if unknown == .reject {
            var keys: [Int] = []
            guard !findUnknown(in: 0, keys: &keys) else {
                let names = keys.map { tape.string($0, record) }
                throw Rejection(.unknownField, pointer: JSONPointer.text(of: names), "not in the schema")
            }
        }
        var extra: [UInt8] = []
        extra.reserveCapacity(record.count)
        if !appendLeft(of: 0, record, to: &extra) { extra.append("{}") }
        return extra
    }

    /// The keys to the first member that no pointer names.
    private func findUnknown(in object: Int, keys: inout [Int]) -> Bool {
        let end = tape.tokens[object].next
        var key = object + 1
        while key < end {
            let value = key + 1
            keys.append(key)
            switch tape.tokens[value].mark {
            case .unknown: return true
            case .parent: if findUnknown(in: value, keys: &keys) { return true }
            case .altered, .restorable: break
            }
            keys.removeLast()
            key = tape.tokens[value].next
        }
        return false
    }

    /// Writes what of an object is stored nowhere else, at its place. False, and nothing written, when that is nothing.
    private func appendLeft(of object: Int, _ record: Span<UInt8>, to extra: inout [UInt8]) -> Bool {
        let beginning = extra.count
        let end = tape.tokens[object].next
        extra.append(UInt8(ascii: "{"))
        var isEmpty = true
        var key = object + 1
        while key < end {
            let value = key + 1
            let before = extra.count
            var isWritten = false
            if tape.tokens[value].mark != .restorable {
                if !isEmpty { extra.append(UInt8(ascii: ",")) }
                if tape.tokens[value].mark == .parent {
                    extra.append(record, tape.tokens[key].range)
                    extra.append(UInt8(ascii: ":"))
                    isWritten = appendLeft(of: value, record, to: &extra)
                } else {
                    tape.appendMember(key, record, to: &extra)
                    isWritten = true
                }
            }
            if isWritten { isEmpty = false } else { extra.removeLast(extra.count - before) }
            key = tape.tokens[value].next
        }
        extra.append(UInt8(ascii: "}"))
        // An object that was sent empty has lost nothing, and is kept.
        guard isEmpty, end > object + 1 else { return true }
        extra.removeLast(extra.count - beginning)
        return false
    }
}
