import Foundation

/// `.sluice/demo.json`: what scripts need to talk to a `sluice up`.
struct DemoFile: Codable, Equatable {
    var baseURL: String
    var tenant: String
    var hookKey: String
    var hookURL: String
    var ingestKey: String
    var queryKey: String
    var adminKey: String
    /// The private cluster's superuser, for the user who ran `sluice up`; the API never uses it.
    var databaseURL: String

    enum CodingKeys: String, CodingKey {
        case baseURL = "base_url"
        case tenant
        case hookKey = "hook_key"
        case hookURL = "hook_url"
        case ingestKey = "ingest_key"
        case queryKey = "query_key"
        case adminKey = "admin_key"
        case databaseURL = "database_url"
    }

    static func read(_ home: Home) throws -> DemoFile {
        try JSONDecoder().decode(DemoFile.self, from: Data(contentsOf: URL(filePath: home.demoFile)))
    }

    /// Whole or not at all, and readable by its owner only from its first moment.
    func write(_ home: Home) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .withoutEscapingSlashes]
        let data = try encoder.encode(self) + Data("\n".utf8)
        let draft = "\(home.demoFile).\(getpid())"
        unlink(draft)
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure("\(draft) cannot be written: \(String(cString: strerror(errno)))") }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try file.write(contentsOf: data)
        try file.synchronize()
        try file.close()
        guard rename(draft, home.demoFile) == 0 else {
            throw Failure("\(home.demoFile) cannot be written: \(String(cString: strerror(errno)))")
        }
    }
}
