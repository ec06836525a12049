internal import Foundation

/// Where a cluster keeps what.
///
/// When root runs Sluice, the directory itself and the configuration in it are root's, which the service account may only read: so
/// nothing that root writes later can be led elsewhere by a link that the service account made. It owns `data` and the socket's folder.
struct ClusterFiles: Sendable {
    let directory: String
    let account: ServiceAccount

    var data: String { "\(directory)/data" }
    /// Where `initdb` works; a leftover is from a start that was killed.
    var unfinished: String { "\(directory)/data.new" }
    var log: String { "\(directory)/postgres.log" }
    var lock: String { "\(directory)/lock" }
    var settings: String { "\(directory)/sluice.conf" }
    var access: String { "\(directory)/pg_hba.conf" }
    var identities: String { "\(directory)/pg_ident.conf" }
    var postmasterFile: String { "\(data)/postmaster.pid" }

    /// A socket's address has 108 bytes; PostgreSQL wants one for the closing null, and we leave some room.
    static let longestSocketPath = 99

    var socketDirectory: String {
        if "\(nearSocketDirectory)/.s.PGSQL.5432".utf8.count <= Self.longestSocketPath { return nearSocketDirectory }
        return "/tmp/sluice-\(account.uid)-\(Paths.stableHash(directory))"
    }

    private var nearSocketDirectory: String { "\(directory)/run" }

    /// Leaves /tmp as it was; for use when no server runs. One that is not empty stays.
    func removeDistantSocketDirectory() {
        if socketDirectory != nearSocketDirectory { rmdir(socketDirectory) }
    }

    /// The cluster's own directory.
    func makeDirectory() throws {
        try makeAll(directory)
        // Who may pass through is for the directories above to say; nobody but us may look in or write.
        guard chmod(directory, account.differsFromSelf ? 0o711 : 0o700) == 0 else { throw cannotWrite(directory) }
    }

    private func makeAll(_ path: String) throws {
        if mkdir(path, 0o755) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, path != "/", !path.isEmpty else { throw cannotWrite(path) }
        try makeAll(Paths.parent(path))
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw cannotWrite(path) }
    }

    /// A directory of the service account's that nobody else may enter. One that is there is used only if it is just that: in /tmp
    /// anybody could have put a link or a directory of theirs in our way, and read or answer our connections.
    func makePrivate(_ path: String) throws {
        let made = mkdir(path, 0o700) == 0
        guard made || errno == EEXIST else { throw cannotWrite(path) }
        var info = stat()
        guard lstat(path, &info) == 0 else { throw cannotWrite(path) }
        guard info.st_mode & S_IFMT == S_IFDIR else {
            throw LocalClusterError(
                .directory,
                "\(path) is no directory (a link, perhaps, that someone put there): look who made it, then remove it."
            )
        }
        // Our own: made just now, or by a start that was killed before the next line.
        if info.st_uid == geteuid(), account.differsFromSelf {
            guard lchown(path, account.uid, account.gid) == 0, lstat(path, &info) == 0 else { throw cannotWrite(path) }
        }
        guard info.st_uid == account.uid else {
            throw LocalClusterError(
                .directory,
                "\(path) belongs to user id \(info.st_uid), not to \(account.name): look who made it, then remove it."
            )
        }
        guard info.st_mode & 0o7777 == 0o700 else {
            throw LocalClusterError(
                .directory,
                "\(path) has mode \(String(info.st_mode & 0o7777, radix: 8)), so others may have been in it: remove it, or chmod 700 it."
            )
        }
    }

    /// Replaces a file as a whole, so that a kill leaves the old one or the new one.
    func write(_ text: String, to path: String) throws {
        let new = "\(path).new"
        unlink(new)
        let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw cannotWrite(new) }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard Foundation.write(descriptor, bytes, bytes.count) == bytes.count,
            fchown(descriptor, geteuid(), account.gid) == 0, fchmod(descriptor, 0o640) == 0, fsync(descriptor) == 0,
            rename(new, path) == 0
        else { throw cannotWrite(path) }
    }

    func cannotWrite(_ path: String) -> LocalClusterError {
        LocalClusterError(
            .directory,
            "Cannot write \(path) (\(errnoText())): make it writable for this user, or choose another SLUICE_HOME."
        )
    }

    /// The last lines of PostgreSQL's log, for an error.
    func logTail(from offset: Int = 0) -> String {
        guard let file = FileHandle(forReadingAtPath: log), let end = try? file.seekToEnd() else { return "" }
        defer { try? file.close() }
        guard (try? file.seek(toOffset: max(UInt64(offset), end > 4096 ? end - 4096 : 0))) != nil,
            let bytes = try? file.readToEnd()
        else { return "" }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").suffix(12).joined(separator: "\n")
    }

    var logSize: Int {
        var info = stat()
        return stat(log, &info) == 0 ? Int(info.st_size) : 0
    }
}
