import EventCore
import EventStore
import HTTPTypes
import Hummingbird

/// One request's records on their way into the store: read while the body comes in, written batch by batch, so that a body of
/// any size takes bounded memory.
struct Intake: Sendable {
    /// What every record of a request shares.
    struct Context: Sendable {
        let source: Source
        /// The request named a source that is not there: every record is kept with that reason.
        let isUnknownSource: Bool
        let receivedAt: Timestamp
        let requestDeadline: Duration
        /// All or nothing: nothing is written before all of the body is read.
        let rejectsInvalid: Bool
        /// Told the machine that each record names, when somebody wants to know.
        var noteSender: (@Sendable (_ machine: String?) -> Void)?
    }

    private struct Pending: Sendable {
        let index: Int
        let record: WriteRecord
        let bytes: [UInt8]
    }

    /// Of records waiting to be written: a batch.
    private static let batchBytes = 1 << 20
    /// Of a request that is to be stored whole or not at all.
    static let maximumRejectable = 10_000
    private static let maximumRejectableBytes = 16 << 20

    let context: Context
    private let lanes: Lanes
    private var reader: RecordReader
    private var pending: [Pending] = []
    private var pendingBytes = 0
    private(set) var hasWritten = false
    /// `on_invalid=reject` found something to reject: nothing is stored.
    private(set) var isRejected = false
    private(set) var tally = IngestTally()
    /// Of the body, uncompressed.
    private(set) var receivedBytes = 0
    private var hasRefusals = false
    private let isAbandoned: @Sendable () -> Bool

    /// - Parameter isAbandoned: whether the sender is gone; then no further batch is written.
    init(context: Context, reader: RecordReader, lanes: Lanes, isAbandoned: @escaping @Sendable () -> Bool) {
        self.isAbandoned = isAbandoned
        self.context = context
        self.reader = reader
        self.lanes = lanes
    }

    var isSingle: Bool { reader.shape == .single && tally.received == 1 }

    /// What its sender is told, once everything is written.
    var verdict: IngestVerdict {
        IngestVerdict(
            profile: context.source.profile,
            tally: tally,
            isSingle: isSingle,
            isUnknownSource: context.isUnknownSource,
            isRejected: isRejected
        )
    }

    mutating func feed(_ bytes: UnsafeBufferPointer<UInt8>) throws {
        receivedBytes += bytes.count
        var outcomes: [RecordOutcome] = []
        defer { for outcome in outcomes { take(outcome) } }
        try reader.feed(bytes) { outcomes.append($0) }
    }

    mutating func finish() throws {
        var outcomes: [RecordOutcome] = []
        defer { for outcome in outcomes { take(outcome) } }
        try reader.finish { outcomes.append($0) }
    }

    /// Bytes that a request may hold until all of it is read.
    static func mostHeld(of request: Request, _ kind: ContentKind) -> Int {
        guard !kind.isGzip, let length = request.statedLength else { return maximumRejectableBytes }
        return min(max(length, 0), maximumRejectableBytes)
    }

    /// The body turned out to be no records: what was read of it is not stored, unless a part of it is already.
    mutating func forgetUnwritten() {
        guard !hasWritten else { return }
        pending.removeAll()
        pendingBytes = 0
    }

    /// Every record is an event, and all of them are one batch.
    var isPlain: Bool {
        !hasRefusals && !pending.isEmpty && pending.count <= Lanes.maximumRecords && pendingBytes <= Self.batchBytes
    }

    /// The records of a plain intake, to be written by whoever calls.
    mutating func takeBatch() -> (records: [WriteRecord], body: Lanes.RecordBody) {
        let batch = pending
        pending = []
        pendingBytes = 0
        hasWritten = true
        return (batch.map(\.record), { batch[$0].bytes })
    }

    /// Keeps a body that is no records at all.
    mutating func keep(_ rejection: Rejection, body: [UInt8]) {
        tally.receive()
        append(quarantine(QuarantineReason(rejection), body, index: 0))
    }

    /// Writes whole batches, or all there is. Their outcomes are committed when this returns.
    ///
    /// - Throws: `EngineError` when a batch cannot be known to be stored; earlier ones are.
    mutating func flush(all: Bool) async throws {
        if context.rejectsInvalid {
            guard tally.received <= Self.maximumRejectable, pendingBytes <= Self.maximumRejectableBytes else {
                throw Problem(.contentTooLarge, .tooManyRecords, "on_invalid=reject takes at most 10,000 records, 16 MiB in all.")
            }
            guard all else { return }
            guard tally.refused == 0 else {
                isRejected = true
                return pending.removeAll()
            }
        }
        var start = 0
        defer {
            // Once at the end: what is left is short, and what was written may be long.
            pending.removeFirst(start)
        }
        while start < pending.count, all || pending.count - start >= Lanes.maximumRecords || pendingBytes >= Self.batchBytes {
            var end = start
            var bytes = 0
            while end < min(pending.count, start + Lanes.maximumRecords), bytes < Self.batchBytes {
                bytes += pending[end].bytes.count
                end += 1
            }
            guard !isAbandoned() else { throw CancellationError() }
            let batch = Array(pending[start..<end])
            start = end
            pendingBytes -= bytes
            try await write(batch)
        }
    }

    private mutating func write(_ batch: [Pending]) async throws {
        hasWritten = true
        let outcomes = try await lanes.submit(
            batch.map(\.record),
            tenant: context.source.tenant,
            deadline: .now + context.requestDeadline,
            body: { batch[$0].bytes }
        )
        for (pending, outcome) in zip(batch, outcomes) { tally.settle(pending.index, outcome) }
    }

    private mutating func take(_ outcome: RecordOutcome) {
        tally.receive()
        context.noteSender?(try? outcome.result.get().machine)
        if context.isUnknownSource || !outcome.isEvent { hasRefusals = true }
        switch outcome.result {
        case .success(let event) where !context.isUnknownSource:
            append(Pending(index: outcome.index, record: .event(event), bytes: outcome.bytes))
        case .success where context.rejectsInvalid:
            tally.refuse(outcome.index, QuarantineReason(.unknownSource))
        case .success:
            append(quarantine(QuarantineReason(.unknownSource), outcome.bytes, index: outcome.index))
        case .failure(let rejection):
            let reason = QuarantineReason(context.isUnknownSource ? .unknownSource : rejection)
            if context.rejectsInvalid {
                tally.refuse(outcome.index, reason)
            } else {
                append(quarantine(reason, outcome.bytes, index: outcome.index))
            }
        }
    }

    private mutating func append(_ one: Pending) {
        pending.append(one)
        pendingBytes += one.bytes.count
    }

    private func quarantine(_ reason: QuarantineReason, _ body: [UInt8], index: Int) -> Pending {
        let record = QuarantinedRecord(
            tenant: context.source.tenant,
            source: context.isUnknownSource ? nil : context.source.id,
            versionNumber: context.source.schema?.versionNumber,
            receivedAt: context.receivedAt,
            reason: reason,
            body: body,
            profile: context.isUnknownSource ? nil : context.source.profile,
            requestID: reader.recordID(index),
            sourceSlug: context.isUnknownSource ? context.source.slug : nil
        )
        return Pending(index: index, record: .quarantine(record), bytes: body)
    }
}

extension Rejection {
    static let unknownSource = Rejection(.unknownSource, "this tenant has no source of that name")
}
