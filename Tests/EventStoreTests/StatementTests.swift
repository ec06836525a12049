import Foundation
import Postgres
import TestSupport
import Testing

@testable import EventStore

@Suite(.fewAtOnce) struct StatementTests {
    @Test func everyStatementPreparesOnTheMigratedDatabase() async throws {
        let connection = try await MigratedDatabase.make().connect()
        let statements =
            Statements.fixed.map { (name: $0.name, sql: $0.sql) } + Statements.composed.map { (name: $0.name ?? "", sql: $0.sql) }
        for statement in statements {
            try await connection.executeScript("PREPARE \"\(statement.name)\" AS \(statement.sql)", deadline: .now + .seconds(10))
        }
        await connection.close()
        #expect(Set(statements.map(\.name)).count == statements.count, "names are unique")
    }

    /// A statement that nobody lists would go unprepared.
    @Test func everyStatementIsListed() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let folder = root.appending(path: "Sources/EventStore").path(percentEncoded: false)
        let files = try #require(FileManager.default.enumerator(atPath: folder)).compactMap { $0 as? String }.filter {
            $0.hasSuffix(".swift")
        }
        var declared: Set<String> = []
        for file in files {
            let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            declared.formUnion(text.matches(of: /struct (\w+): Statement \{/).map { String($0.output.1) })
        }
        #expect(declared == Set(Statements.fixed.map { "\($0)" }))
    }

    @Test func everyStatementNamesTheSchemaOfItsTables() {
        for sql in Statements.fixed.map({ $0.sql }) + Statements.composed.map({ $0.sql }) {
            for table in sql.matches(of: /(?:FROM|JOIN|INTO|UPDATE) ([a-z_.]+)/).map(\.output.1) {
                let isOurs = table.hasPrefix("sluice.") || table.hasPrefix("pg_") || ["unnest", "known"].contains(table)
                #expect(isOurs, "\(table) in \(sql)")
            }
        }
    }
}
