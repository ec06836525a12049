import Foundation

/// What stands beside an exported file: what it is, and how much of it is there.
struct ExportManifest: Codable, Equatable, Sendable {
    /// What the file's rows depend on.
    struct Settings: Codable, Equatable, Sendable {
        let tenant: String
        let format: String
        let gzip: Bool
        let rawFormulas: Bool
        let filter: String
        let from: String?
        let to: String
        /// The fields of each schema's newest version, with their types.
        let schemas: [String: [String: String]]

        /// The columns of a CSV.
        var fields: Set<String> { Set(schemas.values.flatMap(\.keys)) }

        /// Whether another export would write the same rows in the same way; its end, and columns that came since, are the first one's.
        func isLike(_ other: Settings) -> Bool {
            tenant == other.tenant && format == other.format && gzip == other.gzip && rawFormulas == other.rawFormulas
                && filter == other.filter
        }

        /// The schemas that no longer give what they gave: a field was renamed or is gone, or has another type. What came since is no matter.
        func reshaped(in now: Settings) -> [String] {
            schemas.filter { name, fields in fields.contains { now.schemas[name]?[$0.key] != $0.value } }.keys.sorted()
        }
    }

    struct Position: Codable, Equatable, Sendable {
        let microsecondsSince1970: Int64
        let id: String
    }

    let settings: Settings
    /// Of the file's first `bytes`, which are whole rows; with gzip, whole members.
    var rows: Int
    var bytes: Int
    var sha256: String
    /// Behind the last of these rows, or further: where the search was.
    var last: Position?
    /// Nothing is missing.
    var complete: Bool

    static func path(beside file: String) -> String { file + ".manifest.json" }

    static func read(_ path: String) throws -> ExportManifest {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure("\(path) is missing or cannot be read: without it nothing tells where to go on", exitCode: Failure.askedWrongly)
        }
        guard let manifest = try? decoder.decode(ExportManifest.self, from: data) else {
            throw Failure("\(path) is no manifest of an export")
        }
        return manifest
    }

    /// All or nothing.
    func write(_ path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        do {
            try (try encoder.encode(self) + Data("\n".utf8)).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw Failure("\(path) could not be written")
        }
    }

    private static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }
}
