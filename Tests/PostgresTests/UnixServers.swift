import Glibc
import Synchronization

/// A Unix socket where libpq looks for one: `.s.PGSQL.5432` in a directory of its own.
struct UnixListener: Sendable {
    let directory: String
    let descriptor: Int32

    init() throws {
        var template = Array("/tmp/pgtest-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw UnixSocketError(errno) }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let path = "\(directory)/.s.PGSQL.5432"
        let bound = withUnixAddress(path) { bind(descriptor, $0, $1) }
        guard bound == 0, listen(descriptor, 16) == 0 else { throw UnixSocketError(errno) }
    }

    func close() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        Glibc.close(descriptor)
        unlink("\(directory)/.s.PGSQL.5432")
        rmdir(directory)
    }
}

struct UnixSocketError: Error {
    let code: Int32

    init(_ code: Int32) {
        self.code = code
    }
}

func withUnixAddress<R>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
}

/// Takes connections and never says a word.
struct SilentServer: Sendable {
    private let listener: UnixListener
    var directory: String { listener.directory }

    init() throws {
        listener = try UnixListener()
    }

    /// Returns when somebody has connected.
    func accept() {
        _ = Glibc.accept(listener.descriptor, nil, nil)
    }

    func close() { listener.close() }
}

/// Stands between one client and the server; passes everything on until the client has sent a COMMIT, lets the server answer
/// that, and hangs up without passing the answer on.
final class ReplySwallower: Sendable {
    private let listener: UnixListener
    private let upstream: String
    private let sentWithCommit = Mutex("")
    var directory: String { listener.directory }
    /// What the client sent in one piece with its COMMIT.
    var chunkWithCommit: String { sentWithCommit.withLock { $0 } }

    init(upstream: String) throws {
        listener = try UnixListener()
        self.upstream = upstream
        startThread { [self] in run() }
    }

    func close() { listener.close() }

    private func run() {
        let client = Glibc.accept(listener.descriptor, nil, nil)
        let server = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer {
            Glibc.close(client)
            Glibc.close(server)
        }
        guard client >= 0, withUnixAddress(upstream, { connect(server, $0, $1) }) == 0 else { return }
        var entries = [pollfd(fd: client, events: Int16(POLLIN), revents: 0), pollfd(fd: server, events: Int16(POLLIN), revents: 0)]
        while poll(&entries, 2, -1) > 0 {
            if entries[0].revents != 0 {
                guard let sent = relay(client, server) else { return }
                if sent.contains("COMMIT") {
                    sentWithCommit.withLock { $0 = sent }
                    var answer = [UInt8](repeating: 0, count: 65_536)
                    _ = read(server, &answer, answer.count)
                    return
                }
            }
            if entries[1].revents != 0, relay(server, client) == nil { return }
        }
    }
}

/// A TCP port that passes one connection on to a Unix socket, and may change what the server says.
final class TCPRelay: Sendable {
    private let listener: Int32
    private let rewrite: @Sendable ([UInt8]) -> [UInt8]
    private let upstream: String
    let number: UInt16

    init(to upstream: String, rewrite: @escaping @Sendable ([UInt8]) -> [UInt8] = { $0 }) throws {
        self.upstream = upstream
        self.rewrite = rewrite
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 4) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        number = UInt16(bigEndian: address.sin_port)
        guard bound else { throw UnixSocketError(errno) }
        startThread { [self] in run() }
    }

    func close() {
        shutdown(listener, Int32(SHUT_RDWR))
        Glibc.close(listener)
    }

    private func run() {
        let client = accept(listener, nil, nil)
        let server = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer {
            Glibc.close(client)
            Glibc.close(server)
        }
        guard client >= 0, withUnixAddress(upstream, { connect(server, $0, $1) }) == 0 else { return }
        var entries = [pollfd(fd: client, events: Int16(POLLIN), revents: 0), pollfd(fd: server, events: Int16(POLLIN), revents: 0)]
        while poll(&entries, 2, -1) > 0 {
            if entries[0].revents != 0, relay(client, server) == nil { return }
            if entries[1].revents != 0, relay(server, client, rewrite) == nil { return }
        }
    }
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
        self.run = run
    }
}

func startThread(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(ThreadBody(body))
    pthread_create(
        &thread,
        nil,
        { context in
            guard let context else { return nil }
            Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run()
            return nil
        },
        context.toOpaque()
    )
    pthread_detach(thread)
}

/// Passes on what one read brings; nil at the end.
func relay(_ source: Int32, _ target: Int32, _ rewrite: ([UInt8]) -> [UInt8] = { $0 }) -> String? {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = read(source, &buffer, buffer.count)
    guard count > 0 else { return nil }
    let bytes = rewrite(Array(buffer.prefix(count)))
    guard write(target, bytes, bytes.count) == bytes.count else { return nil }
    return String(decoding: bytes, as: UTF8.self)
}
