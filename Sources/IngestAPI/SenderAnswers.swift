import EventCore
import HTTPTypes

extension SenderProfile {
    /// With their names, which a bare code has not.
    private static let statuses: [HTTPResponse.Status] = [
        .unauthorized, .requestTimeout, .contentTooLarge, .unprocessableContent, .tooManyRequests, .serviceUnavailable,
    ]

    /// A sender's answer, in the way its client understands it (`SenderAnswer`): the status and `Retry-After` are the profile's.
    ///
    /// - Parameters:
    ///   - tally: what a status of success says.
    ///   - problem: what any other status says.
    /// - Returns: nil when the connection is to close without a byte.
    func reply(to outcome: SenderOutcome, tally: IngestTally? = nil, problem: Problem, requestID: String) -> Reply? {
        switch answer(to: outcome) {
        case .close:
            return nil
        case .respond(let status, let retryAfter):
            if status == 200, let tally { return .json(tally.json) }
            var problem = problem
            problem.status = Self.statuses.first { $0.code == status } ?? HTTPResponse.Status(code: status)
            let knowsBetter = outcome == .overLimit && problem.headers[.retryAfter] != nil
            if let retryAfter, !knowsBetter { problem.headers[.retryAfter] = String(retryAfter) }
            return problem.reply(requestID: requestID)
        }
    }
}
