import Foundation
import LocalCluster
import TestSupport
import Testing

/// What operators are given agrees with the programs, and with what the documents say of it.
@Suite struct DeployTests {
    /// libdispatch sets its threads' priority (@resources): a filter that kills for it ends the API with its first request.
    @Test(arguments: ["sluice-api@", "sluice-maintain", "sluice-migrate"])
    func systemCallsThatAUnitForbidsFailInsteadOfKilling(_ unit: String) throws {
        let lines = try Repository.text("deploy/systemd/\(unit).service").split(separator: "\n")
        let filters = lines.filter { $0.hasPrefix("SystemCallFilter=") }
        #expect(filters.first == "SystemCallFilter=@system-service")
        #expect(!filters.contains { $0.contains("@resources") })
        #expect(lines.contains("SystemCallErrorNumber=EPERM"))
    }

    /// `sluice` needs SQLite for PrivLog's database: without its package the container's tool does not start.
    @Test(arguments: ["sluice", "sluice-api"])
    func theImageHasEveryLibraryThatAProgramIsLinkedWith(_ program: String) async throws {
        let image = try #require(try Repository.text("Dockerfile").components(separatedBy: "\nFROM ").last)
        let installed = Set(image.split(whereSeparator: \.isWhitespace).map(String.init))
        let header = try await Self.output("/usr/bin/readelf", ["-d", try BuiltProgram.path(program)])
        let libraries = header.matches(of: /\(NEEDED\).*\[(.+)\]/).map { String($0.1) }
        #expect(libraries.contains("libpq.so.5"))
        // Swift's own are linked in for the image, and the C library is everywhere.
        let isSwifts = /lib(swift|Foundation|_Foundation|dispatch|BlocksRuntime).*/
        let isBase = /(libc|libm|libgcc_s|ld-linux.*)\.so.*/
        for library in libraries where library.wholeMatch(of: isSwifts) == nil && library.wholeMatch(of: isBase) == nil {
            let owners = try await Self.output("/usr/bin/dpkg", ["-S", "*/\(library)"]).split(separator: "\n").map {
                $0.prefix { $0 != ":" }
            }
            #expect(owners.contains { installed.contains(String($0)) }, "\(library) is in \(owners), and none is in the Dockerfile")
        }
    }

    /// Figures of a machine that operators do not get would be worth nothing.
    @Test func benchmarksSetWhatOperatorsAreGiven() throws {
        let benchmarks = try Repository.text("Benchmarks/sluicebench/machine.py")
        let advised = try #require(benchmarks.split(separator: "\n").first { $0.hasPrefix("ADVISED = ") })
        let measured = advised.matches(of: /"vm\/(\w+)": "(\d+)"/).map { "vm.\($0.1) = \($0.2)" }
        let lines = try Repository.text("deploy/sysctl.d/90-sluice.conf").split(separator: "\n")
        let given = lines.filter { !$0.hasPrefix("#") }.map(String.init)
        #expect(!given.isEmpty)
        #expect(measured == given)
    }

    /// With the whole request in it, and so with a hook's key: errors, and since 2.8 an answer that was cut.
    @Test func caddyIsToldNotToLogWhatHasARequestInIt() throws {
        #expect(try Repository.text("deploy/Caddyfile").contains("\t\texclude http.log.error http.handlers.reverse_proxy\n"))
    }

    /// A setting that compose does not hand on has no effect in a container, whatever `.env` says.
    @Test func composeHandsOnEverySettingOfTheREADME() throws {
        let rows = try Repository.text("README.md").split(separator: "\n").filter { $0.contains(/^\| `[A-Z_]+`/) }
        #expect(rows.count > 20)
        let compose = try Repository.text("docker-compose.yml")
        let services = try #require(compose.firstRange(of: "\nx-admin-environment:"))
        let (api, tool) = (compose[..<services.lowerBound], compose[services.lowerBound...])
        for row in rows {
            let cells = row.split(separator: "|")
            for name in cells[0].matches(of: /`([A-Z_]+)`/).map({ String($0.1) }) where name != "SLUICE_BIN_POSTGRES" {
                let isTheTools = cells[1].hasPrefix(" `sluice")
                #expect((isTheTools ? tool : api).contains("    \(name): ") || (isTheTools && tool.contains("  \(name): ")), "\(name)")
            }
        }
    }

    /// nginx asks for a name once: what is behind it must not move.
    @Test func composesServersHaveAddressesOfTheirOwn() throws {
        let compose = try Repository.text("docker-compose.yml")
        for name in try Repository.text("deploy/compose/nginx.conf").matches(of: /server (\S+):8080/).map(\.1) {
            #expect(compose.contains(try Regex("\n  \(name):\n    <<: \\*api\n    networks: \\{ front: \\{ ipv4_address: ")), "\(name)")
        }
    }

    @Test func theImagesLoginIsMadeWithoutItsPasswordInAnyArgument() async throws {
        let cluster = try await TestCluster.startPrivate()
        let script = Repository.root.appending(path: "deploy/compose/api-login.sh").path(percentEncoded: false)
        let environment = [
            "PATH": "/usr/bin:/bin", "PGHOST": cluster.socketDirectory, "POSTGRES_USER": TestCluster.superuser, "POSTGRES_DB": "postgres",
            "SLUICE_API_PASSWORD": "it's a 'password'",
        ]
        let run = try await ProcessSpawner.shared.run(ChildCommand("/bin/sh", ["-x", script], environment: environment))
        #expect(run.status == .exited(0) && run.output.contains("+ psql"), "\(run.output)")
        #expect(!run.output.contains("password'"), "what sh -x shows are the arguments: \(run.output)")
        #expect(try await cluster.psql("SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'sluice_api'") == "t")
        try await cluster.remove()
    }

    @Test func everyAlertIsInTheManualAndTellsAlsoWhenNobodyKnows() async throws {
        let manual = try Repository.text("docs/operations.md").split(separator: "\n").filter { $0.hasPrefix("| `Sluice") }
        let described = Set(manual.flatMap { $0.matches(of: /`(Sluice\w+)`/).map { String($0.1) } })
        let alerts = try Repository.text("deploy/prometheus/alerts.yml").matches(of: /- alert: (\w+)/).map { String($0.1) }
        #expect(Set(alerts) == described && alerts.count == described.count)
        let folder = Repository.root.appending(path: "deploy/prometheus").path(percentEncoded: false)
        let promtool = try Tool.promtool.path
        #expect(try await Self.output(promtool, ["check", "rules", "\(folder)/alerts.yml"]).contains("SUCCESS"))
        #expect(try await Self.output(promtool, ["test", "rules", "\(folder)/alerts.test.yml"]).contains("SUCCESS"))
    }

    private static func output(_ program: String, _ arguments: [String]) async throws -> String {
        let run = try await ProcessSpawner.shared.run(
            ChildCommand(program, arguments, environment: ["LC_ALL": "C", "PATH": "/usr/bin:/bin"])
        )
        guard run.status == .exited(0) else { throw Tool.Missing(description: "\(program): \(run.output)") }
        return run.output
    }
}
