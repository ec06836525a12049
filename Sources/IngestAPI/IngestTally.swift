import EventCore
import EventStore
import NIOCore

/// What became of a request's records so far.
struct IngestTally: Sendable {
    struct Refusal: Sendable {
        let index: Int
        let reason: QuarantineReason
    }

    /// Of refusals listed in an answer.
    static let maximumErrors = 100

    private(set) var received: Int
    private(set) var accepted: Int
    private(set) var duplicates: Int
    private(set) var quarantined = 0
    /// Not stored: their sender has to keep them.
    private(set) var heldBack = 0
    private(set) var refusals: [Refusal] = []
    private(set) var refused = 0

    mutating func receive() {
        received += 1
    }

    mutating func refuse(_ index: Int, _ reason: QuarantineReason) {
        refused += 1
        if refusals.count < Self.maximumErrors { refusals.append(Refusal(index: index, reason: reason)) }
    }

    mutating func settle(_ index: Int, _ outcome: WriteOutcome) {
        switch outcome {
        case .accepted: accepted += 1
        case .duplicate: duplicates += 1
        case .quarantined(let reason):
            quarantined += 1
            refuse(index, reason)
        case .quarantineFull: heldBack += 1
        }
    }

    /// What a sender is told of records that are stored.
    var json: ByteBuffer {
        guard received == 1, refused == 0 else { return written }
        // Nearly all replies are one of these.
        if accepted == 1 { return Self.oneAccepted }
        if duplicates == 1 { return Self.oneDuplicate }
        return written
    }

    private static let oneAccepted = IngestTally(received: 1, accepted: 1).written
    private static let oneDuplicate = IngestTally(received: 1, duplicates: 1).written

    init(received: Int = 0, accepted: Int = 0, duplicates: Int = 0) {
        self.received = received
        self.accepted = accepted
        self.duplicates = duplicates
    }

    private var written: ByteBuffer { json(after: nil) }

    /// - Parameter first: a member that stands before all others.
    func json(after first: (name: String, value: String)?) -> ByteBuffer {
        var json = JSONWriter()
        json.object { json in
            if let first { json.member(first.name, first.value) }
            json.member("received", received)
            json.member("accepted", accepted)
            json.member("duplicates", duplicates)
            json.member("quarantined", quarantined)
            json.member("errors") { json in
                json.array { json in
                    for refusal in refusals { json.element { $0.refusal(refusal) } }
                }
            }
            if refused > refusals.count { json.member("errors_omitted", refused - refusals.count) }
        }
        return json.buffer
    }
}

extension JSONWriter {
    fileprivate mutating func refusal(_ refusal: IngestTally.Refusal) {
        object { json in
            json.member("index", refusal.index)
            json.member("code", refusal.reason.code)
            if let pointer = refusal.reason.pointer { json.member("pointer", pointer) }
            json.member("detail", refusal.reason.detail)
        }
    }
}
