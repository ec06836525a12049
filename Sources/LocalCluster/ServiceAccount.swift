internal import Foundation

/// The OS user that PostgreSQL runs as: the server refuses to run as root.
package struct ServiceAccount: Sendable, Equatable {
    package var name: String
    package var uid: UInt32
    package var gid: UInt32
    var home: String

    /// Whether children need another user id than this process has.
    var differsFromSelf: Bool { uid != geteuid() }

    /// For root `postgres`, or `nobody` where there is no such user; for anyone else themselves.
    package static func current() throws -> ServiceAccount {
        if geteuid() == 0 {
            if let account = named("postgres") ?? named("nobody"), account.uid != 0 { return account }
            throw LocalClusterError(
                .noServiceAccount,
                "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody: create one "
                    + "(useradd --system postgres) or run sluice as an ordinary user."
            )
        }
        return try ofThisProcess()
    }

    /// The user who runs this process.
    static func ofThisProcess() throws -> ServiceAccount {
        guard let account = lookUp({ getpwuid_r(geteuid(), $0, $1, $2, $3) }) else {
            throw LocalClusterError(
                .noServiceAccount,
                "User id \(geteuid()) has no name on this machine, which PostgreSQL requires: add it to /etc/passwd, or run as a user "
                    + "who is there."
            )
        }
        return account
    }

    static func named(_ name: String) -> ServiceAccount? {
        lookUp { getpwnam_r(name, $0, $1, $2, $3) }
    }

    private typealias Entry = UnsafeMutablePointer<passwd>
    private typealias Found = UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>

    private static func lookUp(_ call: (Entry, UnsafeMutablePointer<CChar>, Int, Found) -> Int32) -> ServiceAccount? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16384) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            var entry = passwd()
            var found: UnsafeMutablePointer<passwd>?
            guard call(&entry, base, buffer.count, &found) == 0, found != nil, let name = entry.pw_name, let home = entry.pw_dir else {
                return nil
            }
            return ServiceAccount(
                name: String(cString: name),
                uid: entry.pw_uid,
                gid: entry.pw_gid,
                home: String(cString: home)
            )
        }
    }

    /// Whether the permission bits let this account pass through the directory and all above it. A path that is not there yet
    /// counts by the part that is.
    func canEnter(_ path: String) -> Bool {
        var path = path
        while true {
            var info = stat()
            if stat(path, &info) == 0 {
                let bit: mode_t = info.st_uid == uid ? 0o100 : groups.contains(info.st_gid) ? 0o010 : 0o001
                if uid != 0, info.st_mode & bit == 0 { return false }
            } else if errno == EACCES {
                return false
            }
            if path == "/" || path.isEmpty { return true }
            path = Paths.parent(path)
        }
    }

    private var groups: [gid_t] {
        var count: Int32 = 64
        var list = [gid_t](repeating: 0, count: Int(count))
        guard getgrouplist(name, gid, &list, &count) >= 0 else { return [gid] }
        return Array(list.prefix(Int(count)))
    }
}
