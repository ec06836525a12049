import EventCore
import HTTPTypes

/// In whose words a sender is answered. What becomes of its records, and with which status it is told so, does not depend on it.
enum ReplyDialect: Sendable {
    case sluice
    /// `{"status":"success",…}`, and 422 for what is not JSON.
    case privLog

    func phrase(_ reply: Reply?, of tally: IngestTally) -> Reply? {
        guard self == .privLog, let reply, reply.status == .ok else { return reply }
        return .json(tally.json(after: ("status", tally.refused == 0 ? "success" : "quarantined")))
    }

    /// Of a body that is no records.
    func problem(_ rejection: Rejection) -> Problem {
        var problem = Problem(rejection)
        if self == .privLog { problem.status = .unprocessableContent }
        return problem
    }
}
