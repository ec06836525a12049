import Synchronization

/// Bytes that may be in memory for one purpose at the same moment, whoever they are of.
final class ByteBudget: Sendable {
    private let left: Mutex<Int>

    init(_ bytes: Int) {
        left = Mutex(bytes)
    }

    /// False when there are not so many left; then none is taken.
    func take(_ bytes: Int) -> Bool {
        left.withLock { left in
            guard bytes <= left else { return false }
            left -= bytes
            return true
        }
    }

    func give(_ bytes: Int) {
        left.withLock { $0 += bytes }
    }
}
