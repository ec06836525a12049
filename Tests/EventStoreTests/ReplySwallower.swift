import Glibc
import Synchronization

/// Stands between clients and the server and passes everything on, but for the replies to some transactions: there it lets the
/// server answer, keeps the answer to itself and hangs up.
final class ReplySwallower: Sendable {
    enum Mode: Sendable {
        /// What was sent before COMMIT's reply arrives.
        case replyToCommit
        /// Nothing arrives of the transaction.
        case everythingAfterBegin
    }

    let directory: String
    private let listener: Int32
    private let upstream: String
    private let mode: Mode
    private let left: Mutex<Int>

    init(upstream: String, mode: Mode, times: Int) throws {
        var template = Array("/tmp/swallow-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SwallowerError(code: errno) }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        self.upstream = upstream
        self.mode = mode
        left = Mutex(times)
        let descriptor = listener
        guard Self.withAddress("\(directory)/.s.PGSQL.5432", { bind(descriptor, $0, $1) }) == 0, listen(listener, 16) == 0 else {
            throw SwallowerError(code: errno)
        }
        Self.thread { [self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                Self.thread { [self] in serve(client) }
            }
        }
    }

    func close() {
        shutdown(listener, Int32(SHUT_RDWR))
        Glibc.close(listener)
        unlink("\(directory)/.s.PGSQL.5432")
        rmdir(directory)
    }

    private func serve(_ client: Int32) {
        let server = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer {
            Glibc.close(client)
            Glibc.close(server)
        }
        guard Self.withAddress(upstream, { connect(server, $0, $1) }) == 0 else { return }
        var entries = [pollfd(fd: client, events: Int16(POLLIN), revents: 0), pollfd(fd: server, events: Int16(POLLIN), revents: 0)]
        var pending: [UInt8] = []
        var isCommitting = false
        while poll(&entries, 2, -1) > 0 {
            if entries[0].revents != 0 {
                guard let bytes = Self.read(client), Self.write(bytes, to: server) else { return }
                if Self.contains(bytes, "COMMIT") { isCommitting = takeOne() || isCommitting }
            }
            guard entries[1].revents != 0 else { continue }
            guard let bytes = Self.read(server) else { return }
            pending += bytes
            // Whole messages only: a type byte, then a length that counts itself.
            while pending.count >= 5 {
                let length = pending[1..<5].reduce(0) { $0 << 8 | Int($1) } + 1
                guard pending.count >= length else { break }
                let message = Array(pending.prefix(length))
                pending.removeFirst(length)
                let isCommitTag = message[0] == UInt8(ascii: "C") && Self.contains(message, "COMMIT")
                if isCommitting, isCommitTag { return }
                if isCommitting, mode == .everythingAfterBegin { continue }
                guard Self.write(message, to: client) else { return }
            }
        }
    }

    private func takeOne() -> Bool {
        left.withLock { left in
            guard left > 0 else { return false }
            left -= 1
            return true
        }
    }

    private static func contains(_ bytes: [UInt8], _ text: String) -> Bool {
        let wanted = Array(text.utf8)
        guard bytes.count >= wanted.count else { return false }
        return (0...(bytes.count - wanted.count)).contains { bytes[$0..<($0 + wanted.count)].elementsEqual(wanted) }
    }

    private static func read(_ descriptor: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        return count > 0 ? Array(buffer.prefix(count)) : nil
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    private static func withAddress<R>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private static func thread(_ run: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        pthread_create(
            &thread,
            nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                return nil
            },
            Unmanaged.passRetained(Body(run)).toOpaque()
        )
        pthread_detach(thread)
    }
}

private struct SwallowerError: Error {
    let code: Int32
}
