import CLibPQ
import Glibc
import Synchronization

/// What others may know of a connection, and do to it, without waiting for its thread.
final class ConnectionMonitor: Sendable {
    enum Status: UInt8 {
        case connecting, idle, inTransaction, busy, closed
    }

    /// An eventfd that wakes the connection's thread out of poll(2); -1 if the system would give none.
    let wakeup: Int32
    /// The peer has closed its side (poll(2)); only visible to C with _GNU_SOURCE.
    private static let hungUp: Int32 = 0x2000
    private let rawStatus = Atomic<UInt8>(Status.connecting.rawValue)
    private let closing = Atomic<Bool>(false)
    private let socket = Mutex<Int32>(-1)
    let backendPID = Atomic<Int32>(0)
    let serverVersion = Atomic<Int32>(0)
    let usesNamedStatements = Atomic<Bool>(false)

    init() {
        wakeup = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    }

    deinit {
        if wakeup >= 0 { close(wakeup) }
    }

    var status: Status {
        get { Status(rawValue: rawStatus.load(ordering: .acquiring)) ?? .closed }
        set { rawStatus.store(newValue.rawValue, ordering: .releasing) }
    }

    var isClosing: Bool { closing.load(ordering: .acquiring) }

    /// Makes the thread look again at its task's cancellation and at `isClosing`.
    func wake() {
        eventfd_write(wakeup, 1)
    }

    func drainWakeups() {
        var count: eventfd_t = 0
        eventfd_read(wakeup, &count)
    }

    /// Ends every wait of the connection, now and later.
    func requestClose() {
        closing.store(true, ordering: .releasing)
        wake()
    }

    func setSocket(_ descriptor: Int32) {
        socket.withLock { $0 = descriptor }
    }

    /// Whether the server has hung up, by one look at the socket; never blocks. The lock keeps the descriptor from being
    /// closed, and used anew by somebody else, during the look.
    var isPeerGone: Bool {
        socket.withLock { descriptor in
            guard descriptor >= 0 else { return true }
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN | Self.hungUp), revents: 0)
            guard poll(&entry, 1, 0) > 0 else { return false }
            return entry.revents & Int16(Self.hungUp | POLLHUP | POLLERR | POLLNVAL) != 0
        }
    }
}
