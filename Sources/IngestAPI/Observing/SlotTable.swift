import Synchronization

/// Finds one object for a key without a lock, and never forgets it: for counters that every request adds to.
///
/// Open addressing over a fixed number of slots, each written once. Two threads that bring the same new key look at the same slots in
/// the same order, so they end with one object.
final class SlotTable<Key: Hashable & Sendable, Value: AnyObject & Sendable>: Sendable {
    private final class Entry: Sendable {
        let key: Key
        let value: Value

        init(_ key: Key, _ value: Value) {
            self.key = key
            self.value = value
        }
    }

    private final class Slot: Sendable {
        let entry = AtomicLazyReference<Entry>()
    }

    private let slots: [Slot]
    private let maximum: Int
    private let count = Atomic<Int>(0)

    /// - Parameter maximum: of keys; give or take the threads that bring new ones at the same moment.
    init(maximum: Int) {
        self.maximum = maximum
        slots = (0..<(maximum * 2).nextPowerOf2).map { _ in Slot() }
    }

    /// All that were made.
    var values: [Value] { slots.compactMap { $0.entry.load()?.value } }

    /// The key's object, made now if need be; nil when there are too many keys.
    func value(for key: Key, make: () -> Value) -> Value? {
        let mask = slots.count - 1
        var place = key.hashValue & mask
        for _ in slots.indices {
            let slot = slots[place]
            let entry: Entry
            if let found = slot.entry.load() {
                entry = found
            } else {
                guard count.load(ordering: .relaxed) < maximum else { return nil }
                let new = Entry(key, make())
                entry = slot.entry.storeIfNil(new)
                if entry === new { count.add(1, ordering: .relaxed) }
            }
            if entry.key == key { return entry.value }
            place = (place + 1) & mask
        }
        return nil
    }
}

extension Int {
    fileprivate var nextPowerOf2: Int {
        self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount)
    }
}
