import ArgumentParser
import Foundation
import LocalCluster
import UnixSignals

struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Run everything on this machine: a private PostgreSQL, migrations, a demo tenant, the API.",
        discussion: "Ctrl-C or SIGTERM stops it all; what was stored stays in SLUICE_HOME (.sluice)."
    )

    @OptionGroup var options: OutputOptions

    func run() async throws {
        try await Console.$current.withValue(.persistent) { try await serve() }
    }

    private func serve() async throws {
        LocalInstallation.forgetLibpqVariables()
        let environment = ProcessInfo.processInfo.environment
        let home = AdminSettings(environment: environment).home
        try home.make()
        let lock = try HomeLock(home)
        defer { withExtendedLifetime(lock) {} }

        let address = environment["LISTEN"].flatMap { $0.isEmpty ? nil : $0 } ?? "127.0.0.1:8080"
        let listen = try LocalAddress(address, isSecure: environment["TLS_CERT"].map { !$0.isEmpty } ?? false)
        try listen.refuseIfTaken()

        // Trapped before anything is started, so that nothing started is left running.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let installation = try await LocalInstallation(home: home, listen: listen, environment: environment)
        let options = options
        let outcome = await withTaskGroup(of: Result<Void, any Error>.self) { group in
            group.addTask {
                for await _ in signals { break }
                return .success(())
            }
            group.addTask {
                do {
                    return .failure(
                        try await installation.run { demo in try options.print(demo) { Greeting.text($0, home: home) } }
                    )
                } catch {
                    return .failure(error)
                }
            }
            let first = await group.next() ?? .success(())
            group.cancelAll()
            Console.current.error("sluice: stopping")
            await installation.stop()
            return first
        }
        try outcome.get()
    }
}

/// Where the API shall listen, as far as `sluice up` must know it.
struct LocalAddress: Sendable {
    let text: String
    private let scheme: String
    private let host: String
    private let port: UInt16

    init(_ text: String, isSecure: Bool = false) throws {
        guard
            let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0,
            colon > text.startIndex
        else { throw Failure("LISTEN is host:port, like 127.0.0.1:8080", exitCode: Failure.askedWrongly) }
        self.text = text
        scheme = isSecure ? "https" : "http"
        self.port = port
        host = String(text[..<colon])
    }

    /// For clients on this machine.
    var baseURL: String {
        switch host {
        case "0.0.0.0": "\(scheme)://127.0.0.1:\(port)"
        case "[::]": "\(scheme)://[::1]:\(port)"
        default: "\(scheme)://\(host):\(port)"
        }
    }

    /// A clear word now is better than the API's failing later.
    func refuseIfTaken() throws {
        guard isAnswering(within: 1) else { return }
        throw Failure("\(text) is taken by another program; stop it, or choose another address: LISTEN=127.0.0.1:8081 sluice up")
    }

    /// Whether somebody takes connections there.
    func isAnswering(within seconds: Int = 1) -> Bool {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let name = host == "0.0.0.0" ? "127.0.0.1" : host.trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        guard getaddrinfo(name == "::" ? "::1" : name, String(port), &hints, &found) == 0, let found else { return false }
        defer { freeaddrinfo(found) }
        let descriptor = socket(found.pointee.ai_family, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var timeout = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        return connect(descriptor, found.pointee.ai_addr, found.pointee.ai_addrlen) == 0
    }
}
