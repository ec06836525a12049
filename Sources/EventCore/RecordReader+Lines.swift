#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

extension RecordReader {
    /// Reads the line at `at` and moves behind it; false when its end is not there yet.
    mutating func readLine(
        _ bytes: Span<UInt8>,
        _ at: inout Int,
        isFinal: Bool,
        _ record: (RecordOutcome) throws(Rejection) -> Void
    ) throws(Rejection) -> Bool {
        at = JSONTape.skipWhiteSpace(bytes, from: at)
        guard at < bytes.count else { return true }
        // Room for CR and LF. A line that fills it without an end is too large, whether or not the body ends there.
        let room = maximumRecordBytes + 2
        let limit = min(bytes.count - at, room) + at
        guard let lineBreak = bytes.firstLineBreak(in: at..<limit) ?? (isFinal && limit - at < room ? limit : nil) else {
            guard limit - at == room else { return false }
            try refuse(tooLarge, bytes.extracting(at..<limit), record)
            skip = .line
            return true
        }
        var end = lineBreak
        while end > at, bytes[end - 1].isJSONWhiteSpace { end -= 1 }
        let line = bytes.extracting(at..<end)
        at = min(lineBreak + 1, bytes.count)
        if line.count > maximumRecordBytes {
            try refuse(tooLarge, line, record)
        } else {
            try handOver(line: line, record)
        }
        return true
    }
}

extension Span<UInt8> {
    func firstLineBreak(in range: Range<Int>) -> Int? {
        extracting(range).withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress, let found = memchr(start, 0x0A, bytes.count) else { return nil }
            return range.lowerBound + (UnsafeRawPointer(found) - start)
        }
    }
}
