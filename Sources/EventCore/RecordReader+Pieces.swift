extension RecordReader {
    mutating func orFail(_ work: (inout RecordReader) throws(Rejection) -> Void) throws(Rejection) {
        if case .failed(let rejection) = phase { throw rejection }
        do {
            try work(&self)
        } catch {
            phase = .failed(error)
            carry = []
            throw error
        }
    }

    mutating func take(_ chunk: Span<UInt8>, _ record: (RecordOutcome) throws(Rejection) -> Void) throws(Rejection) {
        try checkEncoding(chunk)
        var taken = 0
        while !carry.isEmpty, taken < chunk.count {
            let step = min(max(carryGoal - carry.count, 1), chunk.count - taken)
            carry.append(chunk, taken..<(taken + step))
            taken += step
            guard carry.count >= carryGoal else { return }
            // Not inside `self` while it is read: the records' offsets are in it.
            var bytes: [UInt8] = []
            swap(&bytes, &carry)
            let used = try read(bytes.span, isFinal: false, record)
            if bytes.count - used <= taken {
                // The rest is in the chunk as well: go on there.
                taken -= bytes.count - used
                bytes.removeAll(keepingCapacity: true)
                swap(&bytes, &carry)
            } else {
                bytes.removeSubrange(0..<used)
                swap(&bytes, &carry)
                setGoal()
            }
        }
        guard taken < chunk.count else { return }
        let used = try read(chunk.extracting(taken..<chunk.count), isFinal: false, record)
        guard taken + used < chunk.count else { return }
        carry.append(chunk, (taken + used)..<chunk.count)
        setGoal()
    }

    /// What of the body is in memory between two pieces.
    var bytesKept: Int { carry.count }

    private mutating func setGoal() {
        carryGoal = max(carry.count + 1, min(max(carry.count * 2, Self.leastStep), maximumRecordBytes + Self.lookahead))
    }

    mutating func end(_ record: (RecordOutcome) throws(Rejection) -> Void) throws(Rejection) {
        var bytes: [UInt8] = []
        swap(&bytes, &carry)
        _ = try read(bytes.span, isFinal: true, record)
        if case .value(let skipper) = skip, !skipper.canEnd { throw framingError(JSONError(.unexpectedEnd, at: 0)) }
        switch phase {
        case .array: throw framingError(JSONError(.unexpectedEnd, at: 0))
        case .beginning, .sequence, .lines:
            guard count > 0 else { throw Rejection(.emptyBody, "the body is empty") }
        case .arrayEnd, .failed: break
        }
    }

    /// Reads what is complete; returns how many bytes are done with.
    private mutating func read(
        _ bytes: Span<UInt8>,
        isFinal: Bool,
        _ record: (RecordOutcome) throws(Rejection) -> Void
    ) throws(Rejection) -> Int {
        var at = 0
        while at < bytes.count {
            if skip != nil {
                at = try skipRest(bytes, from: at)
            } else {
                let isDone =
                    if case .lines = phase {
                        try readLine(bytes, &at, isFinal: isFinal, record)
                    } else {
                        try readValue(bytes, &at, isFinal: isFinal, record)
                    }
                guard isDone else { break }
            }
        }
        base += at
        return at
    }

    private mutating func skipRest(_ bytes: Span<UInt8>, from start: Int) throws(Rejection) -> Int {
        switch skip {
        case .line:
            guard let lineBreak = bytes.firstLineBreak(in: start..<bytes.count) else { return bytes.count }
            skip = nil
            isLineStart = true
            return lineBreak + 1
        case .value(var skipper):
            switch skipper.skip(bytes, from: start) {
            case .end(let end):
                skip = nil
                return end
            case .more:
                skip = .value(skipper)
                return bytes.count
            case .broken(let offset):
                throw framingError(JSONError(.controlCharacter, at: offset))
            }
        case nil:
            return start
        }
    }

    /// No JSON starts with what a byte order mark starts with, and none in UTF-8 has a NUL there. (RFC 8259, 8.1)
    private mutating func checkEncoding(_ chunk: Span<UInt8>) throws(Rejection) {
        let seen = base + carry.count
        for place in 0..<max(0, min(2 - seen, chunk.count)) {
            let byte = chunk[place]
            guard byte == 0 || seen + place == 0 && (byte == 0xEF || byte == 0xFE || byte == 0xFF) else { continue }
            // What was taken for an array's bracket is half a character.
            if case .array = phase { isList = false }
            throw Rejection(.notJSON, "not UTF-8 without a byte order mark, at byte \(seen + place)")
        }
    }

    /// An error of the body: its offset is moved to count from the body's start.
    func framingError(_ error: JSONError, at: Int = 0) -> Rejection {
        Rejection(JSONError(error.code, at: base + at + error.offset))
    }
}
