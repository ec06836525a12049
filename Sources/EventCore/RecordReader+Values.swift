extension RecordReader {
    /// A scanner's error is certain when so many bytes follow it: no escape is longer than a surrogate pair.
    private static let longestEscape = 12
    /// More than a record's most bytes: what is needed to tell where one of just that size ends.
    static let lookahead = 16

    /// What is at the start of some bytes.
    private enum Attempt {
        /// JSON, now on the mapper's tape.
        case value(end: Int)
        /// Not JSON, but its end is beyond doubt.
        case refused(JSONError, end: Int)
        case incomplete
        /// Not JSON, and nobody knows where it ends.
        case broken(JSONError)
    }

    /// Reads what comes next outside of `lines`, and moves behind it; false when it is not all there yet.
    mutating func readValue(
        _ bytes: Span<UInt8>,
        _ at: inout Int,
        isFinal: Bool,
        _ record: (RecordOutcome) throws(Rejection) -> Void
    ) throws(Rejection) -> Bool {
        skipBlanks(bytes, &at)
        guard at < bytes.count else { return true }
        switch phase {
        case .beginning:
            isList = bytes[at] == UInt8(ascii: "[")
            phase = isList ? .array(.valueOrEnd) : .sequence
            if isList { at += 1 }
            return true
        case .array(let place):
            if try readPunctuation(bytes[at], place, at: at) {
                at += 1
                return true
            }
        case .arrayEnd:
            throw framingError(JSONError(.trailingBytes, at: at))
        case .sequence, .lines, .failed:
            break
        }

        let room = maximumRecordBytes + Self.lookahead
        let window = bytes.extracting(at..<(at + min(bytes.count - at, room)))
        // What fills the room is judged without what follows, whether or not the body ends there.
        let isWhole = isFinal && window.count < room
        switch attempt(window, isWhole: isWhole) {
        case .value(let end):
            hasParsed = true
            let value = window.extracting(0..<end)
            at += end
            try end > maximumRecordBytes ? refuse(tooLarge, value, record) : handOver(scanned: value, record)
        case .refused(let error, let end):
            let value = window.extracting(0..<end)
            at += end
            try refuse(end > maximumRecordBytes ? tooLarge : Rejection(error), value, record)
        case .incomplete:
            guard window.count == room else { return false }
            try refuse(tooLarge, window, record)
            skip = .value(ValueSkipper())
        case .broken(let error):
            return try refuseLine(window, error, &at, isWhole: isWhole, record)
        }
        isLineStart = false
        if case .array = phase { phase = .array(.commaOrEnd) }
        return true
    }

    private mutating func skipBlanks(_ bytes: Span<UInt8>, _ at: inout Int) {
        while at < bytes.count, bytes[at].isJSONWhiteSpace {
            if bytes[at] == 0x0A { isLineStart = true }
            at += 1
        }
    }

    /// Takes the byte when it is an array's own; false when a value has to start with it.
    private mutating func readPunctuation(_ byte: UInt8, _ place: ArrayPlace, at: Int) throws(Rejection) -> Bool {
        switch (place, byte) {
        case (.valueOrEnd, UInt8(ascii: "]")), (.commaOrEnd, UInt8(ascii: "]")): phase = .arrayEnd
        case (.commaOrEnd, UInt8(ascii: ",")): phase = .array(.value)
        case (.commaOrEnd, _): throw framingError(JSONError(.unexpectedByte, at: at))
        case (.valueOrEnd, _), (.value, _): return false
        }
        return true
    }

    /// `isWhole`: nothing comes after the window.
    private mutating func attempt(_ window: Span<UInt8>, isWhole: Bool) -> Attempt {
        let error: JSONError
        do {
            let end = try mapper.scanValue(window)
            // What ends without a mark of its own may go on.
            if end == window.count, !isWhole, !mapper.isScannedValueDelimited { return .incomplete }
            return .value(end: end)
        } catch let scanError {
            error = scanError
        }
        guard isWhole || error.offset + Self.longestEscape <= window.count else { return .incomplete }
        guard error.isContained else { return .broken(error) }
        var skipper = ValueSkipper()
        switch skipper.skip(window, from: 0) {
        case .end(let end): return .refused(error, end: end)
        case .more: return isWhole ? .broken(error) : .incomplete
        case .broken: return .broken(error)
        }
    }

    /// NDJSON that does not say so: where a value is broken within its line, that line is refused, and reading goes on at the next.
    ///
    /// A line counts as such when it starts an object or comes after JSON, else a page of HTML would be hundreds of records. A line
    /// that was cut short may only show at the next one's start. What breaks further down was no line: the body is refused.
    private mutating func refuseLine(
        _ window: Span<UInt8>,
        _ error: JSONError,
        _ at: inout Int,
        isWhole: Bool,
        _ record: (RecordOutcome) throws(Rejection) -> Void
    ) throws(Rejection) -> Bool {
        guard case .sequence = phase, isLineStart, hasParsed || window[0] == UInt8(ascii: "{") else {
            throw framingError(error, at: at)
        }
        if let lineBreak = window.firstLineBreak(in: 0..<window.count) {
            guard error.offset <= lineBreak || isNextLine(error, after: lineBreak, window) else { throw framingError(error, at: at) }
            var end = lineBreak
            while window[end - 1].isJSONWhiteSpace { end -= 1 }
            try refuse(end > maximumRecordBytes ? tooLarge : Rejection(error), window.extracting(0..<end), record)
            at += lineBreak + 1
            return true
        }
        if isWhole {
            // The last of several lines ends with the body; of one broken value there is nothing to save.
            guard count > 0 else { throw framingError(error, at: at) }
            try refuse(window.count > maximumRecordBytes ? tooLarge : Rejection(error), window, record)
            at += window.count
            return true
        }
        guard window.count == maximumRecordBytes + Self.lookahead else { return false }
        try refuse(tooLarge, window, record)
        skip = .line
        return true
    }

    private func isNextLine(_ error: JSONError, after lineBreak: Int, _ window: Span<UInt8>) -> Bool {
        let next = JSONTape.skipWhiteSpace(window, from: lineBreak)
        guard error.offset == next else { return false }
        return next == window.count || window[next] == UInt8(ascii: "{") && window[next - 1] == 0x0A
    }
}

extension JSONError {
    /// The value around it still ends where its brackets and quotes say.
    fileprivate var isContained: Bool {
        switch code {
        case .duplicateKey, .tooDeep, .invalidUTF8, .invalidEscape, .loneSurrogate: true
        default: false
        }
    }
}
