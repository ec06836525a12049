/// What becomes of a request's event, as far as the answer to its sender depends on it.
package enum SenderOutcome: Hashable, Sendable, CaseIterable {
    /// Committed now or before.
    case stored
    /// A request of one record, which is in quarantine.
    case unacceptableSingle
    /// Records of a batch are in quarantine, the others are stored.
    case unacceptableInBatch
    /// Not durable in time, or nobody knows: queue, quarantine or store.
    case cannotBeStored
    case overLimit
    case suspended
    /// Expired, its signature or secret verified, and the tenant chose `on_expired: hold`.
    case heldCredential
    /// Unknown, wrong, revoked, or expired with `reject`.
    case badCredential
    /// No such `x-source-id`; the request is in quarantine.
    case unknownSource
    case tooLarge
    case tooSlow
}

package enum SenderAnswer: Hashable, Sendable {
    /// An HTTP status, and the seconds of its `Retry-After`.
    case respond(status: Int, retryAfter: Int? = nil)
    /// The connection closes without a byte: the only thing that makes the SAP client send the event again.
    case close
}

extension SenderProfile {
    /// The one place that says how each client is answered, by what it does with the answer:
    ///
    /// - privileges-webhook takes any status for success and forgets the event;
    /// - fluent-bit sends again on 408, 429, 5xx, and drops the whole chunk on every other 4xx;
    /// - generic senders read the status.
    package func answer(to outcome: SenderOutcome) -> SenderAnswer {
        let (webhook, fluentBit, generic): (SenderAnswer, SenderAnswer, SenderAnswer) =
            switch outcome {
            case .stored: (.respond(status: 200), .respond(status: 200), .respond(status: 200))
            case .unacceptableSingle: (.respond(status: 422), .respond(status: 200), .respond(status: 422))
            case .unacceptableInBatch: (.respond(status: 200), .respond(status: 200), .respond(status: 200))
            case .cannotBeStored: (.close, Self.unavailable, Self.unavailable)
            case .overLimit: (.close, Self.overLimit, Self.overLimit)
            case .suspended: (.close, Self.held, Self.held)
            case .heldCredential: (.close, Self.held, Self.held)
            case .badCredential: (.respond(status: 401), .respond(status: 401), .respond(status: 401))
            case .unknownSource: (.respond(status: 200), .respond(status: 200), .respond(status: 200))
            case .tooLarge: (.respond(status: 413), .respond(status: 413), .respond(status: 413))
            case .tooSlow: (.respond(status: 408), .respond(status: 408), .respond(status: 408))
            }
        return switch self {
        case .privilegesWebhook: webhook
        case .fluentBit: fluentBit
        case .generic: generic
        }
    }

    private static let unavailable = SenderAnswer.respond(status: 503, retryAfter: 5)
    /// The limit's own window says better when to come again, where it is known.
    private static let overLimit = SenderAnswer.respond(status: 429, retryAfter: 5)
    /// Until an operator acts: no use in coming again at once.
    private static let held = SenderAnswer.respond(status: 429, retryAfter: 60)
}
