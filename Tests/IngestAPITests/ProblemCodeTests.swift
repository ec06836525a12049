import EventCore
import Foundation
import TestSupport
import Testing

@testable import IngestAPI

/// What programs switch on is written down whole, for people and for programs.
struct ProblemCodeTests {
    private static let request = Set(Problem.Code.allCases.map(\.rawValue))
    private static let record = Set(Rejection.Code.allCases.map(\.rawValue))

    @Test func areInTheDescriptionOfTheAPI() throws {
        #expect(try described("RequestCode") == Self.request)
        #expect(try described("RecordCode") == Self.record)
    }

    @Test func areInTheTablesOfTheDocument() throws {
        let tables = try Repository.text("docs/errors.md").components(separatedBy: "\n## ").dropFirst().map { section in
            Set(
                section.split(separator: "\n").filter { $0.hasPrefix("| `") }.flatMap { row in
                    row.split(separator: "|").first.map { $0.matches(of: /`([a-z_]+)`/).map { String($0.output.1) } } ?? []
                }
            )
        }
        #expect(tables == [Self.request, Self.record])
    }

    /// The `enum` of one of the description's schemas.
    private func described(_ schema: String) throws -> Set<String> {
        let start = try #require(APIDescription.yaml.range(of: "    \(schema):\n"))
        let rest = APIDescription.yaml[start.upperBound...]
        let list = try #require(rest.firstMatch(of: /enum:\s*\[([^\]]+)\]/))
        return Set(list.output.1.matches(of: /[a-z_]+/).map { String($0.output) })
    }
}
