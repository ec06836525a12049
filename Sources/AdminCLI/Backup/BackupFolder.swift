import EventCore
import EventStore
import Foundation
import Postgres

/// Where backups lie: one folder each, and `months` with the closed months that several of them share.
struct BackupFolder: Sendable {
    /// A backup as it lies there.
    struct Entry: Sendable {
        let name: String
        let path: String
        /// Nil: it did not come to its end, or its manifest cannot be read.
        let manifest: BackupManifest?
        /// It has one, and what that says is not known: a newer sluice's, or damaged.
        let isUnreadable: Bool
        /// Begun and not ended, or half deleted.
        let isUnfinished: Bool
        let modifiedAt: Date

        /// Whether the name is one that backups are given. What is called otherwise is somebody's own.
        var isNamedByUs: Bool { name.wholeMatch(of: /[0-9]{8}T[0-9]{6}Z(-[a-z0-9_-]+)?/) != nil }

        var summary: String { "\(name): \(manifest?.totalRows ?? 0) rows" }
    }

    static let monthsName = "months"

    let path: String

    var monthsPath: String { "\(path)/\(Self.monthsName)" }

    func make() throws {
        for folder in [path, monthsPath] {
            do {
                try FileManager.default.createDirectory(
                    atPath: folder,
                    withIntermediateDirectories: true,
                    attributes: [.posixPermissions: 0o700]
                )
            } catch {
                throw Failure("the folder \(folder) cannot be made: name another with --dir")
            }
        }
    }

    /// A new folder, marked as a backup that has not come to its end.
    func begin(_ name: String) throws {
        let new = "\(path)/\(name)"
        do {
            try FileManager.default.createDirectory(
                atPath: new,
                withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw Failure("the folder \(new) cannot be made: \(error.localizedDescription)")
        }
        do {
            try BackupManifest.begin(new)
        } catch {
            rmdir(new)
            throw error
        }
    }

    /// Makes a backup here. Until it is done, no month is dropped from its database and nothing is deleted from this folder.
    ///
    /// - Parameter recorded: what the copying is written down by, once it is sure that nobody else is at it.
    func write(
        from connection: Connection,
        recorded: @Sendable (_ copy: () async throws -> Entry) async throws -> Entry = { try await $0() },
        _ copy: @escaping @Sendable (BackupSource) async throws -> Entry
    ) async throws -> Entry {
        let source = BackupSource(connection)
        let entry = try await source.exclusively {
            try await recorded {
                try make()
                guard let lock = try BackupFolderLock(path, for: .writing) else {
                    throw Failure("old backups are being deleted from \(path); try again when that is done")
                }
                defer { lock.release() }
                return try await copy(source)
            }
        }
        guard let entry else { throw Failure("another backup or a retention run is under way; try again when it is done") }
        return entry
    }

    /// Oldest first: folders called like a backup, and any that has a manifest.
    func backups() throws -> [Entry] {
        try entries(in: path).filter { $0.name != Self.monthsName && ($0.isNamedByUs || $0.manifest != nil) }
    }

    func months() throws -> [Entry] { try entries(in: monthsPath) }

    /// A backup by its name, or by the path of its folder.
    func find(_ name: String) throws -> Entry {
        let path = name.contains("/") ? name : "\(path)/\(name)"
        guard let entry = Self.entry(path) else { throw Failure("there is no backup \(name); sluice backup list shows all") }
        return entry
    }

    /// `20261121T040000Z`, from RFC 3339; with a number when that is taken.
    func newName(_ time: Timestamp, suffix: String = "") -> String {
        let text = time.rfc3339().prefix(19).filter { $0 != "-" && $0 != ":" } + "Z" + suffix
        var name = text
        var number = 1
        while FileManager.default.fileExists(atPath: "\(path)/\(name)") {
            number += 1
            name = "\(text)-\(number)"
        }
        return name
    }

    /// What was deleted, and what could not be.
    struct Pruned: Sendable, Equatable {
        var deleted: [String] = []
        /// In words that say why.
        var left: [String] = []
    }

    /// Deletes backups that are older than that, but never the newest whole one; what did not come to its end and is a day old; and months that
    /// no backup names any more. Only what bears a name and a mark of ours, and nothing whose manifest cannot be read.
    ///
    /// - Returns: nil when a backup is being written there.
    func prune(olderThan days: Int, now: Date) throws -> Pruned? {
        guard FileManager.default.fileExists(atPath: path) else { return Pruned() }
        guard let lock = try BackupFolderLock(path, for: .deleting) else { return nil }
        defer { lock.release() }
        var pruned = Pruned()
        let all = try backups()
        let newest = all.filter { $0.manifest?.kind == .full }.max { Self.date($0) < Self.date($1) }?.name
        let dayAgo = now.addingTimeInterval(-86_400)
        let limit = now.addingTimeInterval(-86_400 * Double(days))
        for entry in all where entry.isNamedByUs {
            let isOld = entry.manifest == nil ? entry.isUnfinished && entry.modifiedAt < dayAgo : Self.date(entry) < limit
            if isOld, entry.name != newest { remove(entry, called: entry.name, &pruned) }
        }
        let rest = try backups()
        // Which months are named by what cannot be read, nobody knows.
        guard !rest.contains(where: \.isUnreadable) else { return pruned }
        let kept = Set(rest.flatMap { $0.manifest?.months.map(\.folder) ?? [] })
        for entry in try months() where entry.isNamedByUs && !kept.contains(entry.name) && entry.modifiedAt < dayAgo {
            guard entry.manifest != nil || entry.isUnfinished else { continue }
            remove(entry, called: "\(Self.monthsName)/\(entry.name)", &pruned)
        }
        return pruned
    }

    private static func date(_ entry: Entry) -> Date {
        guard let manifest = entry.manifest, let time = Timestamp(rfc3339: manifest.createdAt) else { return entry.modifiedAt }
        return Date(timeIntervalSince1970: Double(time.microsecondsSince1970) / 1_000_000)
    }

    private func remove(_ entry: Entry, called name: String, _ pruned: inout Pruned) {
        do {
            try BackupManifest.withdraw(entry.path)
            try FileManager.default.removeItem(atPath: entry.path)
            pruned.deleted.append(name)
        } catch {
            pruned.left.append("\(entry.path) cannot be deleted: \((error as? Failure)?.description ?? error.localizedDescription)")
        }
    }

    private func entries(in folder: String) throws -> [Entry] {
        guard FileManager.default.fileExists(atPath: folder) else { return [] }
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().compactMap { Self.entry("\(folder)/\($0)") }
        } catch {
            throw Failure("\(folder) cannot be read: \(error.localizedDescription)")
        }
    }

    private static func entry(_ path: String) -> Entry? {
        guard let facts = FileFacts(path), facts.isFolder else { return nil }
        let manifest = try? BackupManifest.read(path)
        let hasManifest = FileFacts("\(path)/\(BackupManifest.fileName)") != nil
        return Entry(
            name: path.split(separator: "/").last.map(String.init) ?? path,
            path: path,
            manifest: manifest,
            isUnreadable: hasManifest && manifest == nil,
            isUnfinished: !hasManifest && FileFacts("\(path)/\(BackupManifest.draftName)")?.isFile == true,
            modifiedAt: facts.modifiedAt
        )
    }
}
