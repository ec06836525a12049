extension JSONTape {
    /// A scanned string's text.
    package func string(_ index: Int, _ bytes: Span<UInt8>) -> String {
        let token = tokens[index]
        guard token.isEscaped else { return String(utf8: bytes, token.contents) }
        var text: [UInt8] = []
        Self.decode(token, bytes, into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends a value as sent, without the white space between its tokens.
    func appendCompact(_ index: Int, _ bytes: Span<UInt8>, to output: inout [UInt8]) {
        guard hasBlanks else { return output.append(bytes, tokens[index].range) }
        let end = tokens[index].next
        var at = tokens[index].start
        for place in index..<end {
            let token = tokens[place]
            if token.kind == .object || token.kind == .array { continue }
            appendGap(at..<max(at, token.start), bytes, to: &output)
            output.append(bytes, token.range)
            at = token.end
        }
        appendGap(at..<max(at, tokens[index].end), bytes, to: &output)
    }

    /// Appends a key, a colon and the value, in the same way.
    func appendMember(_ key: Int, _ bytes: Span<UInt8>, to output: inout [UInt8]) {
        let value = tokens[key + 1].range
        guard hasBlanks else { return output.append(bytes, tokens[key].start..<max(tokens[key].start, value.upperBound)) }
        output.append(bytes, tokens[key].range)
        output.append(UInt8(ascii: ":"))
        appendCompact(key + 1, bytes, to: &output)
    }

    /// Between two leaves there are only brackets, commas, colons and white space.
    private func appendGap(_ gap: Range<Int>, _ bytes: Span<UInt8>, to output: inout [UInt8]) {
        for place in gap where !bytes[place].isJSONWhiteSpace { output.append(bytes[place]) }
    }

    /// Whether a key, decoded, is the given one.
    func isKey(_ index: Int, _ name: [UInt8], _ bytes: Span<UInt8>) -> Bool {
        let token = tokens[index]
        guard token.isEscaped else { return bytes.isEqual(token.contents, name) }
        var text: [UInt8] = []
        Self.decode(token, bytes, into: &text)
        return text == name
    }
}

extension String {
    init(utf8 bytes: Span<UInt8>, _ range: Range<Int>) {
        self = bytes.extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }
}
