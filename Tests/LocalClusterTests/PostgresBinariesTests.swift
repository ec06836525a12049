import Foundation
import LocalCluster
import Testing

struct PostgresBinariesTests {
    @Test(arguments: ["SLUICE_BIN_POSTGRES", "PATH"])
    func findsThemWhereTheEnvironmentSays(variable: String) async throws {
        let usual = try await PostgresBinaries.find()
        let binaries = try await PostgresBinaries.find(environment: [variable: usual.folder])
        #expect(binaries == usual)
        #expect(binaries.major >= PostgresBinaries.oldestMajor)
        #expect(FileManager.default.isExecutableFile(atPath: binaries.path("initdb")))
    }

    @Test func findsTheClientWhereThereIsNoServer() async throws {
        let usual = try await PostgresBinaries.find(.client)
        let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-client-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        for program in ["pg_dump", "pg_restore", "psql"] {
            let link = folder.appending(path: program).path(percentEncoded: false)
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: usual.path(program))
        }
        let environment = ["SLUICE_BIN_POSTGRES": folder.path(percentEncoded: false)]
        #expect(try await PostgresBinaries.find(.client, environment: environment).major == usual.major)
        let error = await #expect(throws: LocalClusterError.self) { try await PostgresBinaries.find(environment: environment) }
        #expect(error?.description.contains("initdb") == true, "\(error?.description ?? "")")
    }

    @Test func saysWhichSettingIsWrong() async throws {
        let error = await #expect(throws: LocalClusterError.self) {
            try await PostgresBinaries.find(environment: ["SLUICE_BIN_POSTGRES": "/nowhere/bin"])
        }
        #expect(error?.code == .binariesNotFound)
        #expect(error?.description.contains("SLUICE_BIN_POSTGRES is /nowhere/bin") == true)
    }

    @Test func refusesAnOldVersion() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-old-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        // Written by a shell, for a child that another test spawns meanwhile would have our descriptor, and the system executes no
        // file that is open for writing.
        let script = """
            cd "$0" && printf '%s\\n' '#!/bin/sh' "echo 'postgres (PostgreSQL) 13.4 (Debian 13.4-1)'" > postgres
            chmod 755 postgres && ln -s postgres initdb && ln -s postgres psql
            """
        let written = try await ProcessSpawner.shared.run(
            ChildCommand("/bin/sh", ["-c", script, folder.path], environment: ["PATH": "/usr/bin:/bin"])
        )
        #expect(written.status == .exited(0), "\(written.output)")
        let error = await #expect(throws: LocalClusterError.self) {
            try await PostgresBinaries.find(environment: ["SLUICE_BIN_POSTGRES": folder.path])
        }
        #expect(error?.code == .unsupportedVersion)
        #expect(error?.description.contains("PostgreSQL 13") == true)
    }
}
