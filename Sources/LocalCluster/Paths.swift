internal import Foundation

/// Path arithmetic that follows no links.
enum Paths {
    static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The first of this name in PATH, or where system tools are also when PATH is short.
    static func executable(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders = path.split(separator: ":").map(String.init) + ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        return folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// FNV-1a, 64 bits, in hex: the same on every machine and in every run, unlike `Hasher`.
    static func stableHash(_ text: String) -> String {
        let hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return String(hash, radix: 16)
    }
}

func errnoText(_ number: Int32 = errno) -> String { String(cString: strerror(number)) }

/// A file without a name, for what a short-lived child writes: no pipe to drain, so nothing can block.
struct AnonymousFile: ~Copyable {
    let descriptor: Int32

    init() throws {
        var template = Array("/tmp/sluice-output-XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            throw LocalClusterError(.directory, "Cannot make a file in /tmp (\(errnoText())): free some space there.")
        }
        unlink(template)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit { close(descriptor) }

    borrowing func text() -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = pread(descriptor, &chunk, chunk.count, off_t(bytes.count))
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk[..<count]
        }
    }
}
