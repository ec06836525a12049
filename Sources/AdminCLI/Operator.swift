import EventStore
import Foundation

/// Who runs this tool, for the audit log.
enum Operator {
    /// The user of this process, with the one who called sudo, on this host, with the address of the SSH session.
    ///
    /// The process's user is the kernel's word. The two others are the environment's, a help for honest people: who may run this tool
    /// with the owner's rights could write anything into the log.
    static func current(environment: [String: String] = ProcessInfo.processInfo.environment) -> AuditActor {
        let caller = environment["SUDO_USER"].flatMap { $0.isEmpty ? nil : " (sudo: \($0))" } ?? ""
        let client = environment["SSH_CONNECTION"]?.split(separator: " ").first.map { ", ssh from \($0)" } ?? ""
        return AuditActor(name: "cli:\(userName())\(caller)", address: "\(hostName())\(client)")
    }

    private static func userName() -> String {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        guard getpwuid_r(getuid(), &entry, &buffer, buffer.count, &found) == 0, found != nil, let name = entry.pw_name else {
            return "uid \(getuid())"
        }
        return String(cString: name)
    }

    private static func hostName() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "?" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
