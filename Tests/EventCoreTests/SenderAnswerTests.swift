import Testing

@testable import EventCore

@Suite struct SenderAnswerTests {
    private func statuses(_ outcome: SenderOutcome) -> [Int?] {
        [SenderProfile.privilegesWebhook, .fluentBit, .generic].map { profile in
            switch profile.answer(to: outcome) {
            case .respond(let status, _): status
            case .close: nil
            }
        }
    }

    @Test(
        arguments: [
            (.stored, [200, 200, 200]), (.unacceptableSingle, [422, 200, 422]), (.unacceptableInBatch, [200, 200, 200]),
            (.cannotBeStored, [nil, 503, 503]), (.overLimit, [nil, 429, 429]), (.suspended, [nil, 429, 429]),
            (.heldCredential, [nil, 429, 429]), (.badCredential, [401, 401, 401]), (.unknownSource, [200, 200, 200]),
            (.tooLarge, [413, 413, 413]), (.tooSlow, [408, 408, 408]),
        ] as [(SenderOutcome, [Int?])]
    )
    func answersAsTheSendersReallyAre(outcome: SenderOutcome, expected: [Int?]) {
        #expect(statuses(outcome) == expected)
    }

    @Test(arguments: SenderOutcome.allCases, SenderProfile.allCases)
    func saysWhenToComeAgainWhereItAsksTo(outcome: SenderOutcome, profile: SenderProfile) {
        guard case .respond(let status, let retryAfter) = profile.answer(to: outcome) else {
            #expect(profile == .privilegesWebhook)
            return
        }
        #expect((retryAfter != nil) == (status == 429 || status == 503))
    }

    /// It keeps what was answered with 408, 429 or 5xx, and drops the chunk on any other refusal.
    @Test func fluentBitNeverDropsAnEventThatCouldBeStoredLater() {
        for outcome in [SenderOutcome.cannotBeStored, .overLimit, .suspended, .heldCredential, .tooSlow] {
            guard case .respond(let status, _) = SenderProfile.fluentBit.answer(to: outcome) else { continue }
            #expect(status == 408 || status == 429 || status >= 500)
        }
    }
}
