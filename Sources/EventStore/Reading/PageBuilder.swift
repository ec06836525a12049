import Synchronization

/// How far a window was walked.
final class WalkedRows: Sendable {
    private let state = Mutex<(count: Int, last: EventPosition?)>((0, nil))

    var count: Int { state.withLock { $0.count } }
    var last: EventPosition? { state.withLock { $0.last } }

    func add(_ event: StoredEvent) {
        state.withLock { $0 = ($0.count + 1, event.position) }
    }
}

/// Collects a page's rows until there are enough of them, or enough bytes in them.
final class PageBuilder: Sendable {
    private struct State {
        var events: [StoredEvent] = []
        var bytes = 0
        /// A row behind the page was seen, or the page is full of bytes.
        var hasMore = false
    }

    let maximumRows: Int
    private let maximumBytes: Int
    private let state = Mutex(State())

    init(maximumRows: Int, maximumBytes: Int) {
        self.maximumRows = maximumRows
        self.maximumBytes = maximumBytes
    }

    var count: Int { state.withLock { $0.events.count } }
    var last: EventPosition? { state.withLock { $0.events.last?.position } }
    var isFull: Bool { state.withLock { $0.hasMore } }

    /// Whether more may come. The row after the last tells that there is another page.
    func add(_ event: StoredEvent) -> Bool {
        state.withLock { state in
            guard state.events.count < maximumRows, state.bytes < maximumBytes else {
                state.hasMore = true
                return false
            }
            state.events.append(event)
            state.bytes += event.fields.count + event.extra.count
            return true
        }
    }

    var page: EventPage {
        state.withLock { EventPage(events: $0.events, next: $0.hasMore ? $0.events.last?.position : nil) }
    }
}
