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
}
