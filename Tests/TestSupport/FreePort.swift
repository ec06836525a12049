internal import Foundation
internal import Synchronization

package enum FreePort {
    private static let handedOut = Mutex(Set<UInt16>())

    /// A port of 127.0.0.1 that nobody has now; never the same one twice, and below those that outgoing connections take.
    package static func find() throws -> Int {
        for _ in 0..<10_000 {
            let port = UInt16.random(in: 20_000..<32_000)
            let isNew = handedOut.withLock { $0.insert(port).inserted }
            if isNew, try isFree(port) { return Int(port) }
        }
        throw TestClusterError(description: "no free port was found")
    }

    private static func isFree(_ port: UInt16) throws -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw TestClusterError(description: "no socket: \(errno)") }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
