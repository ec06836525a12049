import Access
import ArgumentParser
import EventCore
import EventStore
import Foundation

struct KeyRotate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Make a new key like an old one, which goes on for a while.",
        discussion: "sluice key show tells who still uses the old one; it is refused when the overlap is over."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The old key's id, as key list shows it.")
    var id: String

    @Option(help: "How long the old key still holds, like 30d, 12h or 0s.")
    var overlap = TimeSpan(seconds: 30 * 86_400)

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let keyID = try KeyArgument.id(id, tenant: tenant)
        let (sources, key, old) = try await AdminSettings().administer { administration in
            // First: once there is a new key, nothing may keep it from being shown.
            let sources = try await administration.sources(tenant: tenant)
            let (key, old) = try await administration.rotateKey(tenant: tenant, id: keyID, overlap: overlap.duration)
            return (sources, key, old)
        }
        let new = NewKey(key: key.text, id: key.id.text, kind: key.kind.rawValue, source: old.source, name: old.name)
        try options.print(new)
        NewKey.remind(options)
        if old.kind == .hook { sources.first { $0.slug == old.source }?.warnOfLostRefusals(tenant: tenant) }
        if options.output == .table, let end = old.expiresAt {
            Console.current.error("\(id) holds until \(end.rfc3339()); sluice key show \(tenant) \(id) tells who still uses it.")
        }
    }
}

struct KeyShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a key, and who still uses it after it was rotated."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The key's id, as key list shows it.")
    var id: String

    @OptionGroup var options: OutputOptions

    /// With the senders as a member.
    private struct Shown: Listing {
        let key: KeyRow
        let senders: [KeySenderRow]

        static let columns = KeyRow.columns
        var cells: [String] { key.cells }
    }

    func run() async throws {
        let keyID = try KeyArgument.id(id, tenant: tenant)
        let (key, senders) = try await AdminSettings().administer { try await $0.key(tenant: tenant, id: keyID) }
        let rows = senders.map(KeySenderRow.init)
        try options.print(Shown(key: KeyRow(key), senders: rows))
        guard options.output == .table, !rows.isEmpty else { return }
        Console.current.output("")
        try options.print(rows)
    }
}

struct KeyImport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Bring PrivLog's API keys: they read, in the header X-API-Key.",
        discussion: """
            The file has a line KEY:NAME for each; keys of at least \(LegacyKey.leastLength) characters. Only digests are stored. \
            Rotate each of them when its reader can take a new one.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Option(help: "The file with the keys; - reads standard input.")
    var file: String

    @OptionGroup var options: OutputOptions

    private static let mostBytes = 1 << 20

    func run() async throws {
        let keys = try Self.keys(in: file)
        let new = try await AdminSettings().administer { try await $0.importKeys(tenant: tenant, keys) }
        try options.print(new.map(KeyRow.init))
        if new.count < keys.count { Console.current.error("\(keys.count - new.count) of \(keys.count) were there already.") }
    }

    /// Never none.
    static func keys(in file: String) throws -> [LegacyKey] {
        let keys: [LegacyKey]
        do {
            keys = try LegacyKey.parse(try Self.read(file))
        } catch let error as LegacyKey.Invalid {
            throw Failure("\(file): \(error)", exitCode: Failure.askedWrongly)
        }
        guard !keys.isEmpty else { throw Failure("\(file) holds no keys: a line is KEY:NAME", exitCode: Failure.askedWrongly) }
        return keys
    }

    private static func read(_ path: String) throws -> String {
        let handle = path == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: path)
        guard let handle, let bytes = try? handle.read(upToCount: mostBytes + 1) else {
            throw Failure("cannot read \(path)", exitCode: Failure.askedWrongly)
        }
        guard bytes.count <= mostBytes, let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("\(path) is no text of at most 1 MiB", exitCode: Failure.askedWrongly)
        }
        return text
    }
}
