import Access
import EventCore
import EventStore

/// What is left of a request while its records are with a lane.
struct DirectSubmission {
    /// What is charged and written down of the request.
    struct Arrival {
        let grant: Grant
        let ticket: Limiter.Ticket
        let source: Source
        let receivedAt: Timestamp
        let route: RouteSeries
        let startedAt: ContinuousClock.Instant
        let address: IPAddress?
        let requestID: String
        let bytes: Int
    }

    private let profile: SenderProfile
    private let isSingle: Bool
    private let received: Int
    let arrival: Arrival

    init(_ intake: Intake, _ arrival: Arrival) {
        profile = intake.context.source.profile
        isSingle = intake.isSingle
        received = intake.tally.received
        self.arrival = arrival
    }

    /// The request's answer; nil when the connection is to close without one. Counts and charges what it had.
    func settle(_ outcome: ReplyDesk.Outcome, _ metrics: IngestMetrics) -> Reply? {
        var tally = IngestTally(received: received)
        if case .success(let outcomes) = outcome {
            for (index, outcome) in outcomes.enumerated() { tally.settle(index, outcome) }
        }
        metrics.count(tally, of: arrival.grant, from: arrival.source, at: arrival.receivedAt)
        arrival.ticket.charge(records: received, bytes: arrival.bytes, stored: tally.accepted + tally.quarantined)
        arrival.ticket.release()
        switch outcome {
        case .success: return IngestVerdict(profile: profile, tally: tally, isSingle: isSingle).reply(requestID: arrival.requestID)
        case .failure: return profile.reply(to: .cannotBeStored, problem: .unavailable(), requestID: arrival.requestID)
        }
    }
}
