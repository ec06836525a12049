import AsyncHTTPClient
import Foundation
import LocalCluster
import NIOCore
import NIOHTTP1
import TestSupport

/// The real `sluice-api` in a process of its own, on a free port.
final class RunningServer: Sendable {
    let port: Int
    /// Of the admin address.
    let adminPort: Int
    let process: ChildProcess
    let logFile: String
    /// Nil: it speaks plain HTTP.
    private let secureClient: HTTPClient?

    /// - Parameters:
    ///   - databaseURL: with `SLUICE_TEST_POOLER=1` the server goes there through PgBouncer.
    ///   - environment: added to the server's own.
    ///   - port: where another one was; nil: a new one.
    ///   - output: where its log goes instead of a file of its own.
    ///   - authority: vouches for its certificate; nil: it speaks plain HTTP.
    static func start(
        databaseURL: String,
        environment: [String: String] = [:],
        port: Int? = nil,
        output: ChildCommand.Output? = nil,
        trusting authority: TestAuthority? = nil
    ) async throws -> RunningServer {
        let secureClient = try authority.map { authority in
            HTTPClient(
                eventLoopGroupProvider: .singleton,
                configuration: HTTPClient.Configuration(tlsConfiguration: try TLSConnection.configuration(trusting: authority))
            )
        }
        let port = try port ?? FreePort.find()
        let adminPort = try FreePort.find()
        let logFile = FileManager.default.temporaryDirectory.appending(path: "sluice-api-\(getpid())-\(port).log").path(
            percentEncoded: false
        )
        let databaseURL = try await TestPooler.between(databaseURL)
        var variables = ["DATABASE_URL": databaseURL, "LISTEN": "127.0.0.1:\(port)", "PATH": "/usr/bin:/bin", "REQUEST_DEADLINE": "3s"]
        // At its most talkative: what it says is looked through for secrets.
        variables.merge(["ADMIN_LISTEN": "127.0.0.1:\(adminPort)", "DRAIN_DELAY": "0s"]) { $1 }
        variables.merge(["DB_LANES": "2", "DB_CONNECTIONS": "3", "LOG_LEVEL": "trace"]) { $1 }
        variables.merge(environment) { $1 }
        let command = ChildCommand(
            try BuiltProgram.path("sluice-api"),
            environment: variables,
            output: output ?? .appended(to: logFile),
            signalOnParentDeath: .terminate
        )
        let server = RunningServer(
            port: port,
            adminPort: adminPort,
            process: try await ProcessSpawner.shared.spawn(command),
            logFile: logFile,
            secureClient: secureClient
        )
        let isUp = try await eventually(within: .seconds(20)) {
            if server.process.status != nil { return true }
            return (try? await server.get("/livez").status) == 200
        }
        guard isUp, server.process.status == nil else {
            let log = server.log
            await server.stop()
            throw Stopped(log: log)
        }
        return server
    }

    struct Stopped: Error {
        let log: String
    }

    private init(port: Int, adminPort: Int, process: ChildProcess, logFile: String, secureClient: HTTPClient?) {
        self.secureClient = secureClient
        self.port = port
        self.adminPort = adminPort
        self.process = process
        self.logFile = logFile
    }

    var log: String { (try? String(contentsOfFile: logFile, encoding: .utf8)) ?? "" }

    func stop() async {
        try? await secureClient?.shutdown()
        await process.terminate(grace: .seconds(10))
        TestRun.keep(log: logFile)
        try? FileManager.default.removeItem(atPath: logFile)
    }

    struct Reply: Sendable {
        let status: Int
        let headers: [String: String]
        let body: String

        var json: JSONValue { JSONValue(body) }
    }

    func get(_ path: String, key: String? = nil, headers: [String: String] = [:]) async throws -> Reply {
        try await send("GET", path, key: key, headers: headers)
    }

    func post(_ path: String, _ body: String, key: String? = nil, headers: [String: String] = [:]) async throws -> Reply {
        try await send("POST", path, body: body, key: key, headers: headers)
    }

    func send(
        _ method: String,
        _ path: String,
        body: String? = nil,
        key: String? = nil,
        headers: [String: String] = [:],
        port: Int? = nil
    ) async throws -> Reply {
        let client = port == nil ? secureClient ?? .shared : .shared
        let scheme = client === secureClient ? "https" : "http"
        var request = HTTPClientRequest(url: "\(scheme)://127.0.0.1:\(port ?? self.port)\(path)")
        request.method = .RAW(value: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let key { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        // One request a connection, so that a closed one is never a stale one of the client's.
        request.headers.add(name: "Connection", value: "close")
        if let body { request.body = .bytes(ByteBuffer(string: body)) }
        let response = try await client.execute(request, timeout: .seconds(30))
        let bytes = try await response.body.collect(upTo: 1 << 24)
        let names = response.headers.map { ($0.name.lowercased(), $0.value) }
        return Reply(
            status: Int(response.status.code),
            headers: Dictionary(names, uniquingKeysWith: { first, _ in first }),
            body: String(buffer: bytes)
        )
    }

    /// Sends bytes as they are and returns every byte that comes back until the server closes the connection.
    ///
    /// - Parameters:
    ///   - port: of something else that listens on this machine.
    ///   - source: which of this machine's addresses it comes from.
    func exchange(_ text: String, port: Int? = nil, from source: String? = nil) throws -> [UInt8] {
        let descriptor = try open(port: port, from: source)
        try Self.write(text, to: descriptor)
        return try Self.readToEnd(descriptor)
    }

    /// A connection of its own; reads on it end after 30 seconds.
    func open(port: Int? = nil, from source: String? = nil) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if let source { try Self.bind(descriptor, to: source) }
        var address = Self.loopback(port: port ?? self.port)
        var timeout = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw Stopped(log: "no connection: \(errno)") }
        return descriptor
    }

    static func write(_ text: String, to descriptor: Int32) throws {
        let bytes = Array(text.utf8)
        guard Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw Stopped(log: "not sent: \(errno)")
        }
    }

    /// Every byte until the server closes the connection, which is closed here too then.
    static func readToEnd(_ descriptor: Int32) throws -> [UInt8] {
        defer { close(descriptor) }
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 || (count < 0 && errno == ECONNRESET) { return received }
            guard count > 0 else { throw Stopped(log: "the connection was not closed: \(errno)") }
            received += buffer.prefix(count)
        }
    }

    private static func bind(_ descriptor: Int32, to source: String) throws {
        var address = loopback(port: 0)
        address.sin_addr.s_addr = inet_addr(source)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard bound == 0 else { throw Stopped(log: "\(source) is no address of this machine: \(errno)") }
    }

    private static func loopback(port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}

/// Enough of JSON for expectations.
struct JSONValue: @unchecked Sendable {  // what JSONSerialization returned is never changed
    private let value: Any?

    init(_ text: String) {
        value = try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
    }

    private init(value: Any?) {
        self.value = value
    }

    subscript(name: String) -> JSONValue { JSONValue(value: (value as? [String: Any])?[name]) }
    subscript(index: Int) -> JSONValue {
        let array = value as? [Any] ?? []
        return JSONValue(value: array.indices.contains(index) ? array[index] : nil)
    }

    var string: String? { value as? String }
    var int: Int? { value as? Int }
    var bool: Bool? { value as? Bool }
    var count: Int { (value as? [Any])?.count ?? (value as? [String: Any])?.count ?? 0 }
    var keys: Set<String> { Set((value as? [String: Any])?.keys.map { $0 } ?? []) }
    var isNull: Bool { value is NSNull }
}
