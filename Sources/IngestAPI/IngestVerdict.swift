import EventCore
import EventStore
import HTTPTypes

/// What is to be said of a request whose records have their outcomes.
struct IngestVerdict: Sendable {
    let profile: SenderProfile
    let tally: IngestTally
    /// The body was one bare record.
    let isSingle: Bool
    var isUnknownSource = false
    /// `on_invalid=reject` found something to reject.
    var isRejected = false

    /// Nil when the connection is to close without a byte.
    func reply(requestID: String) -> Reply? {
        if tally.heldBack > 0 {
            return profile.reply(to: .cannotBeStored, problem: .unavailable(), requestID: requestID)
        }
        if isRejected { return .json(tally.json, status: .unprocessableContent) }
        if isUnknownSource {
            return profile.reply(to: .unknownSource, tally: tally, problem: Problem(.unknownSource), requestID: requestID)
        }
        guard let first = tally.refusals.first else {
            return profile.reply(to: .stored, tally: tally, problem: .unavailable(), requestID: requestID)
        }
        guard isSingle else {
            return profile.reply(to: .unacceptableInBatch, tally: tally, problem: .unavailable(), requestID: requestID)
        }
        let reason = first.reason
        if reason.code == Rejection.Code.tooLarge.rawValue {
            let problem = Problem(.contentTooLarge, reason)
            return profile.reply(to: .tooLarge, problem: problem, requestID: requestID)
        }
        let problem = Problem(.unprocessableContent, reason)
        return profile.reply(to: .unacceptableSingle, tally: tally, problem: problem, requestID: requestID)
    }
}
