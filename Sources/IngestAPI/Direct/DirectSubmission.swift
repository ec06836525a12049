import EventCore
import EventStore

/// What is left of a request while its records are with a lane.
struct DirectSubmission {
    private let profile: SenderProfile
    private let isSingle: Bool
    private let received: Int

    init(_ intake: Intake) {
        profile = intake.context.source.profile
        isSingle = intake.isSingle
        received = intake.tally.received
    }

    /// The request's answer, nil when the connection is to close without one, and what is to be counted.
    func settle(_ outcome: ReplyDesk.Outcome, requestID: @autoclosure () -> String) -> (reply: Reply?, tally: IngestTally) {
        var tally = IngestTally(received: received)
        switch outcome {
        case .success(let outcomes):
            for (index, outcome) in outcomes.enumerated() { tally.settle(index, outcome) }
            let verdict = IngestVerdict(profile: profile, tally: tally, isSingle: isSingle)
            return (verdict.reply(requestID: requestID()), tally)
        case .failure:
            return (profile.reply(to: .cannotBeStored, problem: .unavailable(), requestID: requestID()), tally)
        }
    }
}
