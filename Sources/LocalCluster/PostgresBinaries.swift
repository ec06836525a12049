internal import Foundation

/// The folder of PostgreSQL's programs on this machine, and their version.
package struct PostgresBinaries: Sendable, Equatable {
    package static let oldestMajor = 14

    /// Which of them are needed: a machine that only makes backups has no server.
    package enum Part: Sendable {
        case server
        /// What backups take.
        case client

        /// The first one tells the version.
        fileprivate var programs: [String] {
            switch self {
            case .server: ["postgres", "initdb", "psql"]
            case .client: ["pg_dump", "pg_restore", "psql"]
            }
        }

        fileprivate var package: String {
            switch self {
            case .server: "postgresql"
            case .client: "postgresql-client"
            }
        }

        fileprivate var list: String {
            programs.dropLast().joined(separator: ", ") + " and " + (programs.last ?? "")
        }
    }

    package let folder: String
    package let major: Int

    package func path(_ program: String) -> String { "\(folder)/\(program)" }

    /// Takes `SLUICE_BIN_POSTGRES` when it is set; else looks in PATH, asks `pg_config`, and looks where packages put it.
    package static func find(
        _ part: Part = .server,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws -> PostgresBinaries {
        if let folder = environment["SLUICE_BIN_POSTGRES"], !folder.isEmpty {
            guard let binaries = try await inspect(folder, part) else {
                throw LocalClusterError(
                    .binariesNotFound,
                    "SLUICE_BIN_POSTGRES is \(folder), but \(part.list) are not all there: set it to the folder that holds "
                        + "them, such as /usr/lib/postgresql/17/bin."
                )
            }
            return try supported(binaries, part)
        }
        var tooOld: PostgresBinaries?
        for folder in try await candidates(part, environment) {
            guard let binaries = try await inspect(folder, part) else { continue }
            if binaries.major >= oldestMajor { return binaries }
            tooOld = tooOld ?? binaries
        }
        if let tooOld { return try supported(tooOld, part) }
        throw LocalClusterError(
            .binariesNotFound,
            "PostgreSQL's \(part.list) are not on this machine: apt-get install \(part.package) (or your system's package), or set "
                + "SLUICE_BIN_POSTGRES to their folder."
        )
    }

    private static func supported(_ binaries: PostgresBinaries, _ part: Part) throws -> PostgresBinaries {
        guard binaries.major >= oldestMajor else {
            throw LocalClusterError(
                .unsupportedVersion,
                "PostgreSQL \(binaries.major) in \(binaries.folder) is too old: install \(oldestMajor) or newer "
                    + "(apt-get install \(part.package)), or set SLUICE_BIN_POSTGRES to its folder."
            )
        }
        return binaries
    }

    private static func candidates(_ part: Part, _ environment: [String: String]) async throws -> [String] {
        let path = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
        // A link in PATH, such as /usr/local/bin/postgres, leads to the folder that holds all the programs. Debian's /usr/bin/pg_dump leads to a
        // script that chooses one of those below.
        var folders = path.flatMap { folder in part.programs.map { resolvedFolder(of: "\(folder)/\($0)") } }.compactMap(\.self)
        if let pgConfig = path.map({ folder -> String in "\(folder)/pg_config" }).first(where: { access($0, X_OK) == 0 }) {
            let answer = try await ProcessSpawner.shared.run(ChildCommand(pgConfig, ["--bindir"], environment: environment))
            if answer.status == .exited(0) { folders.append(answer.output.trimmingCharacters(in: .whitespacesAndNewlines)) }
        }
        folders += installed(under: "/usr/lib/postgresql") { "/usr/lib/postgresql/\($0)/bin" }
        folders += installed(under: "/usr") { $0.hasPrefix("pgsql-") ? "/usr/\($0)/bin" : nil }
        folders += installed(under: "/opt/homebrew/opt") { $0.hasPrefix("postgresql") ? "/opt/homebrew/opt/\($0)/bin" : nil }
        return folders + path
    }

    private static func resolvedFolder(of program: String) -> String? {
        guard access(program, X_OK) == 0, let resolved = realpath(program, nil) else { return nil }
        defer { free(resolved) }
        return Paths.parent(String(cString: resolved))
    }

    /// Highest version first.
    private static func installed(under parent: String, _ folder: (String) -> String?) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
        return names.sorted { $0.compare($1, options: .numeric) == .orderedDescending }.compactMap(folder)
    }

    /// nil when one of the programs is missing there.
    private static func inspect(_ folder: String, _ part: Part) async throws -> PostgresBinaries? {
        let folder = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        let programs = part.programs.map { "\(folder)/\($0)" }
        guard programs.allSatisfy({ access($0, X_OK) == 0 }) else { return nil }
        let answer = try await ProcessSpawner.shared.run(ChildCommand(programs[0], ["--version"], environment: ["LC_ALL": "C"]))
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        guard answer.status == .exited(0), let version = answer.output.split(separator: ")").dropFirst().first,
            let major = Int(version.drop { $0 == " " }.prefix { $0.isNumber })
        else { return nil }
        return PostgresBinaries(folder: folder, major: major)
    }
}
