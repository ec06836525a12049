import EventCore
import Foundation

/// Where backups lie: one folder each, and `months` with the closed months that several of them share.
struct BackupFolder: Sendable {
    /// A backup as it lies there.
    struct Entry: Sendable {
        let name: String
        let path: String
        /// Nil: it did not come to its end.
        let manifest: BackupManifest?
        let modifiedAt: Date

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

    /// Oldest first.
    func backups() throws -> [Entry] { try entries(in: path).filter { $0.name != Self.monthsName } }

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

    /// Deletes backups that are older than that, but never the newest whole one; what did not come to its end and is a day old; and months that
    /// no backup names any more.
    ///
    /// - Returns: names of what was deleted.
    func prune(olderThan days: Int, now: Date) throws -> [String] {
        let all = try backups()
        let newest = all.last { $0.manifest?.kind == .full }?.name
        let dayAgo = now.addingTimeInterval(-86_400)
        let limit = now.addingTimeInterval(-86_400 * Double(days))
        let doomed = all.filter { entry in
            guard let manifest = entry.manifest else { return entry.modifiedAt < dayAgo }
            return entry.name != newest && Self.date(manifest, entry) < limit
        }
        for entry in doomed { try remove(entry) }
        let kept = Set(try backups().flatMap { $0.manifest?.months.map(\.folder) ?? [] })
        let orphans = try months().filter { !kept.contains($0.name) && $0.modifiedAt < dayAgo }
        for entry in orphans { try remove(entry) }
        return doomed.map(\.name) + orphans.map { "\(Self.monthsName)/\($0.name)" }
    }

    private static func date(_ manifest: BackupManifest, _ entry: Entry) -> Date {
        guard let time = Timestamp(rfc3339: manifest.createdAt) else { return entry.modifiedAt }
        return Date(timeIntervalSince1970: Double(time.microsecondsSince1970) / 1_000_000)
    }

    /// The manifest first: what is half deleted is no backup.
    private func remove(_ entry: Entry) throws {
        unlink("\(entry.path)/\(BackupManifest.fileName)")
        do {
            try FileManager.default.removeItem(atPath: entry.path)
        } catch {
            throw Failure("\(entry.path) cannot be deleted: \(error.localizedDescription)")
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
        return Entry(
            name: path.split(separator: "/").last.map(String.init) ?? path,
            path: path,
            manifest: try? BackupManifest.read(path),
            modifiedAt: facts.modifiedAt
        )
    }
}
