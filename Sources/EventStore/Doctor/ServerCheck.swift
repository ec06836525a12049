import Postgres

/// Does this server keep what it acknowledged, and does it let go of clients that are gone: its version, and what its settings are
/// for the login `sluice_api`.
struct ServerCheck: DoctorCheck {
    let name = "server"

    func run(on connection: Connection, deadline: ContinuousClock.Instant) async throws -> [CheckResult] {
        let rows = try await connection.examine(ServerSettings(names: Self.names), deadline: deadline)
        let settings = Dictionary(rows.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        return [Self.version(settings["server_version_num"]?.value)]
            + Self.switches.map { $0.judge(settings[$0.name]?.value) }
            + Self.timeouts.map { $0.judge(settings[$0.name]) }
    }

    private static var names: [String] { ["server_version_num"] + switches.map(\.name) + timeouts.map(\.name) }

    static func version(_ number: String?) -> CheckResult {
        guard let number = number.flatMap({ Int($0) }) else { return CheckResult("version", .fail, "PostgreSQL does not tell its version") }
        let text = "PostgreSQL \(number / 10_000).\(number % 10_000)"
        guard number >= 140_000 else { return CheckResult("version", .fail, text, advice: "Sluice needs PostgreSQL 14 or newer") }
        return CheckResult("version", .ok, text)
    }

    /// A setting whose wrong value loses what was acknowledged.
    struct Switch: Sendable {
        let name: String
        let right: Set<String>
        let otherwise: CheckResult.Verdict
        let advice: String

        func judge(_ value: String?) -> CheckResult {
            guard let value else { return CheckResult(name, .fail, "PostgreSQL does not tell it") }
            return right.contains(value) ? CheckResult(name, .ok, value) : CheckResult(name, otherwise, value, advice: advice)
        }
    }

    static let switches = [
        Switch(name: "fsync", right: ["on"], otherwise: .fail, advice: "set it on: without it a crash loses what was acknowledged"),
        Switch(
            name: "synchronous_commit",
            right: ["on", "local", "remote_write", "remote_apply"],
            otherwise: .fail,
            advice: "set it on: without it a crash loses what was acknowledged"
        ),
        Switch(
            name: "full_page_writes",
            right: ["on"],
            otherwise: .warn,
            advice: "set it on, unless the file system writes pages whole (as ZFS does)"
        ),
    ]

    /// A time after which a client that is gone loses its locks.
    struct Timeout: Sendable {
        let name: String
        let longest: Duration

        func judge(_ setting: ServerSettings.Output?) -> CheckResult {
            guard let setting, let time = Duration(setting: setting.value, unit: setting.unit) else {
                return CheckResult(name, .warn, "cannot be read: \(setting?.value ?? "not there")", advice: advice)
            }
            guard time > .zero else { return CheckResult(name, .warn, "none for sluice_api", advice: advice) }
            let text = "\(time.components.seconds) s for sluice_api"
            return time <= longest ? CheckResult(name, .ok, text) : CheckResult(name, .warn, text, advice: advice)
        }

        private var advice: String { "ALTER ROLE sluice_api SET \(name) = '\(longest.components.seconds)s'" }
    }

    static let timeouts = [
        Timeout(name: "idle_in_transaction_session_timeout", longest: .seconds(5)),
        Timeout(name: "tcp_user_timeout", longest: .seconds(10)),
        Timeout(name: "tcp_keepalives_idle", longest: .seconds(10)),
    ]
}

/// Settings as a session of `sluice_api` would get them. Those about TCP read 0 in a session over a socket, hence not the session's own.
struct ServerSettings: Statement {
    static let name = "server_settings"
    static let sql = """
        SELECT s.name,
               coalesce((SELECT substr(c.entry, length(s.name) + 2)
                         FROM pg_db_role_setting r CROSS JOIN LATERAL unnest(r.setconfig) c (entry)
                         WHERE (r.setrole = 0 OR r.setrole = (SELECT oid FROM pg_roles WHERE rolname = 'sluice_api'))
                           AND (r.setdatabase = 0 OR r.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
                           AND starts_with(c.entry, s.name || '=')
                         ORDER BY r.setrole <> 0 DESC, r.setdatabase <> 0 DESC LIMIT 1),
                        s.reset_val),
               coalesce(s.unit, '')
        FROM pg_settings s WHERE s.name = ANY ($1)
        """

    let names: [String]

    func bind(_ bindings: inout Bindings) {
        bindings.append(names)
    }

    static func decode(_ row: Row) throws(PostgresError) -> (name: String, value: String, unit: String) {
        (try row.decode(0), try row.decode(1), try row.decode(2))
    }
}

extension Duration {
    /// As PostgreSQL writes it: `5s`, `500ms`, `2min`, or a bare number of the setting's own unit.
    init?(setting: String, unit: String) {
        let digits = setting.prefix { $0.isASCII && $0.isNumber }
        let suffix = setting.dropFirst(digits.count).drop { $0 == " " }
        let scales: [String: Int64] = ["ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000]
        guard
            let number = Int64(digits), let scale = scales[suffix.isEmpty ? unit : String(suffix)],
            case let (milliseconds, overflow) = number.multipliedReportingOverflow(by: scale), !overflow
        else { return nil }
        self = .milliseconds(milliseconds)
    }
}
