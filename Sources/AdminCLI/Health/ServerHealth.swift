import AsyncHTTPClient
import EventStore
import Foundation

/// A server's health as its own routes tell it, in words that say what to do.
struct ServerHealth {
    typealias Answer = ServerAnswer

    let ask: (_ path: String) async -> Answer

    init(base: String, by client: ServerClient) {
        let base = base.hasSuffix("/") ? String(base.dropLast()) : base
        ask = { await client.ask(HTTPClientRequest(url: base + $0)) }
    }

    init(ask: @escaping (_ path: String) async -> Answer) {
        self.ask = ask
    }

    /// Each of the server's routes asked once; what cannot be known after a failure is not asked.
    func examine() async -> [CheckResult] {
        let alive = Self.judgeAlive(await ask("/livez"))
        guard alive.verdict != .fail else { return [alive] }
        let ready = Self.judgeReady(await ask("/readyz"))
        return [alive, ready] + Self.judgeParts(await ask("/health"))
    }

    private static func judgeAlive(_ answer: Answer) -> CheckResult {
        let name = "alive"
        switch answer {
        case .answered(200, _):
            return CheckResult(name, .ok, "the server answers")
        case .answered(let status, _) where (502...504).contains(status):
            return CheckResult(
                name,
                .fail,
                "a proxy answers \(status): it reaches no server",
                advice: "start sluice-api; compare the proxy's addresses with LISTEN"
            )
        case .answered(let status, _):
            return CheckResult(
                name,
                .fail,
                "/livez answers \(status): that is no sluice-api",
                advice: "see what listens there; LISTEN says where sluice-api does"
            )
        case .refused:
            return CheckResult(
                name,
                .fail,
                "nothing listens there",
                advice: "start sluice-api (its log says why it ended); LISTEN says where it listens"
            )
        case .silent:
            return CheckResult(
                name,
                .fail,
                "no answer within 5 seconds",
                advice: "a firewall, or a process that hangs: look from its own machine, then restart it"
            )
        case .failed(let why):
            return CheckResult(
                name,
                .fail,
                "the server cannot be asked: \(why)",
                advice: "check the address, and its certificate if it is https; --ca names an authority that the system does not know"
            )
        }
    }

    private static func judgeReady(_ answer: Answer) -> CheckResult {
        let name = "ready"
        guard case .answered(let status, let body) = answer else {
            return CheckResult(
                name,
                .fail,
                "/readyz gives no answer",
                advice: "try again; if it stays so, restart sluice-api and see its log"
            )
        }
        if status == 200 { return CheckResult(name, .ok, "fit for traffic") }
        let problem = try? JSONDecoder().decode(ProblemBody.self, from: body)
        if problem?.code == "closing" {
            return CheckResult(name, .fail, "the server is shutting down", advice: "wait for the next one to start")
        }
        let detail = problem?.detail ?? "/readyz answers \(status)"
        return CheckResult(name, .fail, "not fit for traffic: \(detail)", advice: advice(for: detail))
    }

    private static func advice(for detail: String) -> String {
        if detail.contains("sluice migrate") { return "run sluice migrate against the same database" }
        if detail.contains("sluice doctor") { return "run sluice doctor: it names what is not guarded" }
        if detail.contains("writes") { return "point DATABASE_URL at the primary; see default_transaction_read_only" }
        return "is PostgreSQL running, is its disk full? try DATABASE_URL with psql from the server's machine, then sluice doctor"
    }

    /// `/health` in PrivLog's words; a server without it is no fault.
    private static func judgeParts(_ answer: Answer) -> [CheckResult] {
        guard case .answered(200, let body) = answer, let parts = try? JSONDecoder().decode(HealthBody.self, from: body) else { return [] }
        var results: [CheckResult] = []
        func add(_ name: String, _ word: String?, _ bad: [String: (CheckResult.Verdict, String)]) {
            guard let word else { return }
            let verdict = bad[word] ?? (.ok, "")
            results.append(CheckResult(name, verdict.0, word, advice: verdict.1))
        }
        add("database", parts.database, ["unreachable": (.fail, "is PostgreSQL running? sluice doctor says more")])
        add("events", parts.sample, ["empty": (.warn, "no event is stored yet; on a server that had some: is DATABASE_URL the right one?")])
        add("log", parts.log, ["failed": (.fail, "is LOG_DIR there, writable, and its disk not full?")])
        add(
            "disk",
            parts.disk,
            ["low": (.warn, "free some space: sluice retention preview, old backups and logs"), "unknown": (.fail, "see the server's log")]
        )
        return results
    }

    private struct ProblemBody: Decodable {
        let code: String
        let detail: String
    }

    private struct HealthBody: Decodable {
        let database: String?
        let sample: String?
        let log: String?
        let disk: String?

        enum CodingKeys: String, CodingKey {
            case database
            case sample = "database_sample"
            case log = "log_write"
            case disk = "disk_space"
        }
    }
}
