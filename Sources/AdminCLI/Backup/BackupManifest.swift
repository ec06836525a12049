import Foundation

/// What a backup says of itself: written last. Until then, and from when it is to be deleted, its folder has a draft in its place, by which it is
/// known as a backup of ours that is none yet or none any more.
struct BackupManifest: Codable, Sendable, Equatable {
    enum Kind: String, Codable, Sendable {
        case full
        /// One closed month of events, shared by the backups that name it.
        case month
        case tenant
    }

    struct File: Codable, Sendable, Equatable {
        /// From the manifest's folder.
        var path: String
        var bytes: Int
        var sha256: String
    }

    /// A month that lies in the archive.
    struct Month: Codable, Sendable, Equatable {
        var table: String
        /// Under `months`.
        var folder: String
        /// Of its own manifest, and so of all its files.
        var sha256: String
    }

    static let currentFormat = 1

    var format = currentFormat
    var kind: Kind
    /// The database's own clock, RFC 3339.
    var createdAt: String
    /// Which database of which cluster.
    var database: String
    var databaseName: String
    var migration: Int
    var roles: [String] = []
    /// Rows by table, the months one by one.
    var rows: [String: Int]
    var months: [Month] = []
    var files: [File]
    /// Its slug, in a backup of one.
    var tenant: String?
    /// In a backup of a tenant: each table's columns, as its file has them; parents come before those that refer to them.
    var columns: [Columns]?

    struct Columns: Codable, Sendable, Equatable {
        var table: String
        var names: [String]
    }

    /// Rows of all tables.
    var totalRows: Int { rows.values.reduce(0, +) }
    var bytes: Int { files.reduce(0) { $0 + $1.bytes } }

    static let fileName = "manifest.json"
    static let draftName = "manifest.json.draft"

    static func read(_ folder: String) throws -> BackupManifest {
        let data = try Data(contentsOf: URL(filePath: "\(folder)/\(fileName)"))
        let manifest = try JSONDecoder().decode(BackupManifest.self, from: data)
        guard manifest.format <= currentFormat else {
            throw Failure("\(folder) was written by a newer sluice: use that one")
        }
        return manifest
    }

    /// Marks a new folder as a backup that has not come to its end.
    static func begin(_ folder: String) throws {
        try WrittenFile("\(folder)/\(draftName)").close()
    }

    /// What is half deleted is no backup.
    static func withdraw(_ folder: String) throws {
        let (manifest, draft) = ("\(folder)/\(fileName)", "\(folder)/\(draftName)")
        guard rename(manifest, draft) == 0 || errno == ENOENT else {
            throw Failure("\(manifest) cannot be renamed: \(String(cString: strerror(errno)))")
        }
    }

    /// Whole or not at all, and on the disk when this returns.
    func write(_ folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let draft = "\(folder)/\(Self.draftName)"
        try Checksum.syncing(folder) {
            let file = try WrittenFile(draft, replacing: true)
            try file.write(Array(encoder.encode(self) + Data("\n".utf8)))
            try file.close()
            guard rename(draft, "\(folder)/\(Self.fileName)") == 0 else {
                throw Failure("\(folder)/\(Self.fileName) cannot be written: \(String(cString: strerror(errno)))")
            }
        }
    }
}
