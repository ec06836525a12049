import Postgres

/// Is every policy, flag and grant what the migrations made it: all differences from `sluice.manifest`.
struct ManifestCheck: DoctorCheck {
    let name = "manifest"

    func run(on connection: Connection, deadline: ContinuousClock.Instant) async throws -> [CheckResult] {
        let findings =
            try await connection.examine(CheckIsolation(), deadline: deadline)
            + connection.examine(CheckSQLAccess(), deadline: deadline)
        guard !findings.isEmpty else {
            return [CheckResult(name, .ok, "policies, forced row-level security, roles and grants are as the migrations made them")]
        }
        return findings.map { finding in
            CheckResult(name, .fail, "\(finding.object): \(finding.finding)", advice: Self.advice(finding.severity))
        }
    }

    private static func advice(_ severity: IsolationFinding.Severity) -> String {
        switch severity {
        case .unsafe: "put it back as the migrations made it; until then /readyz says 503"
        case .missing: "put it back as the migrations made it"
        case .extra: "take it back, unless somebody meant it"
        }
    }
}
