import Access
import EventCore
import EventStore

/// What is left of a request while its records are with a lane.
struct DirectSubmission {
    private let profile: SenderProfile
    private let isSingle: Bool
    private let received: Int
    private let bytes: Int
    private let ticket: Limiter.Ticket

    init(_ intake: Intake, _ ticket: Limiter.Ticket) {
        profile = intake.context.source.profile
        isSingle = intake.isSingle
        received = intake.tally.received
        bytes = intake.receivedBytes
        self.ticket = ticket
    }

    /// The request's answer; nil when the connection is to close without one. Counts and charges what it had.
    func settle(_ outcome: ReplyDesk.Outcome, _ metrics: IngestMetrics, requestID: String) -> Reply? {
        var tally = IngestTally(received: received)
        if case .success(let outcomes) = outcome {
            for (index, outcome) in outcomes.enumerated() { tally.settle(index, outcome) }
        }
        metrics.count(tally)
        ticket.charge(records: received, bytes: bytes, stored: tally.accepted + tally.quarantined)
        ticket.release()
        switch outcome {
        case .success: return IngestVerdict(profile: profile, tally: tally, isSingle: isSingle).reply(requestID: requestID)
        case .failure: return profile.reply(to: .cannotBeStored, problem: .unavailable(), requestID: requestID)
        }
    }
}
