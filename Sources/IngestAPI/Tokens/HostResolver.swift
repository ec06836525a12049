import Foundation
import NIOCore
import NIOPosix

/// Turns a host's name into addresses, before anything connects to them.
enum HostResolver {
    struct Failed: Error {}

    /// The system's answer, in its order.
    ///
    /// - Parameter timeout: after it the answer is not waited for any longer; the look-up itself cannot be broken off.
    static func addresses(of host: String, timeout: Duration) async throws -> [NetworkAddress] {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let promise = loop.makePromise(of: [NetworkAddress].self)
        let timer = loop.scheduleTask(in: TimeAmount(timeout)) { promise.fail(Failed()) }
        NIOThreadPool.singleton.runIfActive(eventLoop: loop) { try lookUp(host) }.cascade(to: promise)
        defer { timer.cancel() }
        return try await promise.futureResult.get()
    }

    private static func lookUp(_ host: String) throws -> [NetworkAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { throw Failed() }
        defer { freeaddrinfo(list) }
        var addresses: [NetworkAddress] = []
        var next = list
        while let entry = next?.pointee {
            if let address = address(entry) { addresses.append(address) }
            next = entry.ai_next
        }
        return addresses
    }

    private static func address(_ entry: addrinfo) -> NetworkAddress? {
        guard let pointer = entry.ai_addr else { return nil }
        // In words and back: the parts of a sockaddr_in6 have other names in another C module, and the compiler is right to mind.
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let length = socklen_t(text.count)
        guard getnameinfo(pointer, entry.ai_addrlen, &text, length, nil, 0, NI_NUMERICHOST) == 0 else { return nil }
        let name = String(decoding: text.prefix { $0 != 0 }.lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // A link-local one may name its interface.
        return NetworkAddress(String(name.prefix { $0 != "%" }))
    }
}
