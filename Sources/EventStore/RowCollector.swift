import Synchronization

/// Ends a stream of rows: what is collected is enough.
struct EnoughRows: Error {}

/// Collects rows until there are enough bytes in them.
final class RowCollector<Element: Sendable>: Sendable {
    private struct State {
        var rows: [Element] = []
        var bytes = 0
    }

    private let mostBytes: Int
    private let size: @Sendable (Element) -> Int
    private let state = Mutex(State())

    init(mostBytes: Int, size: @escaping @Sendable (Element) -> Int) {
        self.mostBytes = mostBytes
        self.size = size
    }

    func add(_ row: Element) throws {
        let isEnough = state.withLock { state in
            state.rows.append(row)
            state.bytes += size(row)
            return state.bytes >= mostBytes
        }
        if isEnough { throw EnoughRows() }
    }

    var rows: [Element] { state.withLock { $0.rows } }
}
