import EventStore
import Postgres

/// May the API log in as `DATABASE_URL` says: where that is set beside `DATABASE_ADMIN_URL`, as on a server of one's own.
struct LoginCheck: DoctorCheck {
    let name = "login"
    /// May hold a password.
    let url: String

    func run(on connection: Connection, deadline: ContinuousClock.Instant) async throws -> [CheckResult] {
        do {
            let configuration = try ConnectionConfiguration(url: url, applicationName: "sluice doctor")
            try await Database.checkLogin(configuration, deadline: min(deadline, .now + .seconds(10)))
            return [CheckResult(name, .ok, "DATABASE_URL lets in, and reads no tenant by itself")]
        } catch let error as StoreError {
            return [CheckResult(name, .fail, error.description, advice: "point DATABASE_URL at the role sluice_api")]
        } catch let error as PostgresError {
            return [CheckResult(name, .fail, "DATABASE_URL does not let in: \(error)", advice: "check DATABASE_URL and pg_hba.conf")]
        }
    }
}
