@testable import Postgres
import TestSupport
import Testing

@Suite(.fewAtOnce) struct ErrorTests {
    @Test(arguments: ["", "postgres://u:hunter2@[h/x", "hunter2", "password=hunter2 nonsense=1", "postgres://u:hunter2@h/x?no_such=1"])
    func anInvalidAddressIsNotEchoed(_ url: String) {
        do throws(PostgresError) {
            _ = try ConnectionConfiguration(url: url)
            Issue.record("accepted")
        } catch {
            #expect(error.code == .invalidConfiguration)
            #expect(!error.description.contains("hunter2"))
            #expect(!error.debugDescription.contains("hunter2"))
        }
    }

    @Test func aConfigurationHidesItsPassword() throws {
        let configuration = try ConnectionConfiguration(url: "postgres://user:hunter2@db.example/name?sslpassword=hunter2")
        var dumped = ""
        dump(configuration, to: &dumped)
        for text in ["\(configuration)", String(reflecting: configuration), dumped] {
            #expect(!text.contains("hunter2"))
            #expect(text.contains("db.example"))
        }
        #expect(configuration.value(of: "password") == nil)
    }

    @Test func theURLOverridesTheDefaults() throws {
        let plain = try ConnectionConfiguration(url: "postgres://h/x", applicationName: "test")
        #expect(plain.value(of: "tcp_user_timeout") == "10000")
        #expect(plain.value(of: "application_name") == "test")
        let set = try ConnectionConfiguration(url: "postgres://h/x?tcp_user_timeout=3000&application_name=mine&client_encoding=LATIN1")
        #expect(set.value(of: "tcp_user_timeout") == "3000")
        #expect(set.value(of: "application_name") == "mine")
        #expect(set.value(of: "client_encoding") == "UTF8")
    }

    @Test func descriptionsCarryNoValues() async throws {
        let connection = try await connect()
        let secret = "hunter2"
        let failing = [
            Query("SELECT $1::text::int4", bindings(secret)),
            Query("INSERT INTO t VALUES ($1), ($1)", bindings(secret)),
            Query("INSERT INTO checked VALUES ($1)", bindings(secret)),
        ]
        try await connection.executeScript("CREATE TABLE t (x text UNIQUE); CREATE TABLE checked (x text CHECK (x = ''))", deadline: soon)
        for query in failing {
            let error = try #require(await postgresError { _ = try await connection.execute(query, deadline: soon) })
            #expect(!error.description.contains(secret))
            #expect(!"\(error as any Error)".contains(secret))
            #expect(error.debugDescription.contains(secret))
        }
        await connection.close()
    }

    @Test func aServerWithoutTLSIsRefusedWhenTLSIsRequired() async throws {
        let port = try TCPRelay(to: "\(try await TestCluster.shared().socketDirectory)/.s.PGSQL.5432")
        defer { port.close() }
        let required = try ConnectionConfiguration(url: "host=127.0.0.1 port=\(port.number) user=x dbname=x sslmode=require")
        let error = await postgresError { _ = try await Connection.connect(required, deadline: soon) }
        #expect(error?.code == .connectionFailed)
        #expect(error?.description.contains("SSL") == true)
    }

    @Test func aRefusedLoginHasItsState() async throws {
        let url = try await TestCluster.shared().url(role: "nobody_at_all", database: "postgres")
        let configuration = try ConnectionConfiguration(url: "\(url)&password=wrong")
        let error = await postgresError { _ = try await Connection.connect(configuration, deadline: soon) }
        #expect(error?.code == .connectionFailed)
        #expect(error?.sqlState == .invalidPassword, "\(error?.message ?? "")")
        #expect(error?.isTransient == false)
        let missing = try await TestCluster.shared().url(role: TestCluster.superuser, database: "no_such_database")
        let absent = try ConnectionConfiguration(url: missing)
        let noDatabase = await postgresError { _ = try await Connection.connect(absent, deadline: soon) }
        #expect(noDatabase?.sqlState == .invalidCatalogName)
    }

    @Test func nobodyListeningIsAFailedConnection() async throws {
        let configuration = try ConnectionConfiguration(url: "host=/nonexistent user=x")
        let error = await postgresError { _ = try await Connection.connect(configuration, deadline: soon) }
        #expect(error?.code == .connectionFailed)
        #expect(error?.isTransient == true)
    }
}
