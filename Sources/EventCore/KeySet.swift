/// Finds a key that an object has twice, comparing keys as decoded.
///
/// Few plain keys are compared pair by pair; others go through a hash table with Swift's seeded hash, so that no sender can
/// make an object whose check takes quadratic time.
struct KeySet: Sendable {
    private static let fewKeys = 16
    /// Open addressing; a slot holds a token's index, 0 (never a key's) when free.
    private var slots: [Int] = []
    private var left: [UInt8] = []
    private var right: [UInt8] = []

    mutating func firstDuplicate(ofObject object: Int, members: Int, tokens: [JSONToken], _ bytes: Span<UInt8>) -> Int? {
        members <= Self.fewKeys && !hasEscapedKey(object, tokens)
            ? firstPair(ofObject: object, tokens: tokens, bytes)
            : firstCollision(ofObject: object, members: members, tokens: tokens, bytes)
    }

    private func hasEscapedKey(_ object: Int, _ tokens: [JSONToken]) -> Bool {
        let end = tokens[object].next
        var key = object + 1
        while key < end {
            if tokens[key].isEscaped { return true }
            key = tokens[key + 1].next
        }
        return false
    }

    private func firstPair(ofObject object: Int, tokens: [JSONToken], _ bytes: Span<UInt8>) -> Int? {
        let end = tokens[object].next
        var key = object + 1
        // A bit for each length and ends of a key: only keys that share one can be the same.
        var seen: UInt64 = 0
        while key < end {
            let contents = tokens[key].contents
            var mix = contents.count
            if !contents.isEmpty { mix = mix &* 7 &+ Int(bytes[contents.lowerBound]) &* 3 &+ Int(bytes[contents.upperBound - 1]) &* 5 }
            let bit: UInt64 = 1 << UInt64(mix & 63)
            guard seen & bit != 0 else {
                seen |= bit
                key = tokens[key + 1].next
                continue
            }
            var other = object + 1
            while other < key {
                if bytes.isEqual(tokens[key].contents, tokens[other].contents) { return key }
                other = tokens[other + 1].next
            }
            key = tokens[key + 1].next
        }
        return nil
    }

    private mutating func firstCollision(ofObject object: Int, members: Int, tokens: [JSONToken], _ bytes: Span<UInt8>) -> Int? {
        var capacity = 64
        while capacity < members * 2 { capacity *= 2 }
        slots.removeAll(keepingCapacity: true)
        slots.append(contentsOf: repeatElement(0, count: capacity))
        let end = tokens[object].next
        var key = object + 1
        while key < end {
            var slot = hash(tokens[key], bytes) & (capacity - 1)
            while slots[slot] != 0 {
                if isEqual(tokens[key], tokens[slots[slot]], bytes) { return key }
                slot = (slot + 1) & (capacity - 1)
            }
            slots[slot] = key
            key = tokens[key + 1].next
        }
        return nil
    }

    private mutating func hash(_ key: JSONToken, _ bytes: Span<UInt8>) -> Int {
        var hasher = Hasher()
        if key.isEscaped {
            left.removeAll(keepingCapacity: true)
            JSONTape.decode(key, bytes, into: &left)
            left.withUnsafeBytes { hasher.combine(bytes: $0) }
        } else {
            bytes.extracting(key.contents).withUnsafeBytes { hasher.combine(bytes: $0) }
        }
        return hasher.finalize()
    }

    private mutating func isEqual(_ a: JSONToken, _ b: JSONToken, _ bytes: Span<UInt8>) -> Bool {
        guard a.isEscaped || b.isEscaped else { return bytes.isEqual(a.contents, b.contents) }
        left.removeAll(keepingCapacity: true)
        right.removeAll(keepingCapacity: true)
        JSONTape.decode(a, bytes, into: &left)
        JSONTape.decode(b, bytes, into: &right)
        return left == right
    }
}

extension Span<UInt8> {
    func isEqual(_ a: Range<Int>, _ b: Range<Int>) -> Bool {
        guard a.count == b.count else { return false }
        for place in 0..<a.count where self[a.lowerBound + place] != self[b.lowerBound + place] { return false }
        return true
    }

    func isEqual(_ range: Range<Int>, _ other: [UInt8]) -> Bool {
        isEqual(range, other.span, 0..<other.count)
    }

    func isEqual(_ range: Range<Int>, _ other: Span<UInt8>, _ otherRange: Range<Int>) -> Bool {
        guard range.count == otherRange.count else { return false }
        for place in 0..<range.count where self[range.lowerBound + place] != other[otherRange.lowerBound + place] { return false }
        return true
    }
}
