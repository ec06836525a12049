@testable import EventCore

/// All that a reader made of a body.
struct Reading: Equatable {
    var events: [Int: AcceptedEvent] = [:]
    var rejections: [Int: Rejection] = [:]
    /// What was kept of the refused records.
    var bytes: [Int: String] = [:]
    var failure: Rejection?
    var shape = RecordReader.Shape.single

    var count: Int { events.count + rejections.count }
    /// In order: `+` for an event, a rejection's code for what is none, the body's last.
    var outcomes: [String] {
        let records = (0..<count).map { rejections[$0]?.code.rawValue ?? (events[$0] == nil ? "?" : "+") }
        return records + (failure.map { ["!" + $0.code.rawValue] } ?? [])
    }

    init(_ body: String, _ framing: RecordReader.Framing = .any, _ source: Source? = nil) throws {
        try self.init(Array(body.utf8), framing, source)
    }

    /// `pieces`: sizes to cut the body into, over and over.
    init(
        _ body: [UInt8],
        _ framing: RecordReader.Framing = .any,
        _ source: Source? = nil,
        pieces: [Int] = [Int.max],
        most: Int = 1_048_576,
        requestID: String? = nil
    ) throws {
        var reader = RecordReader(
            framing: framing,
            source: try source ?? Fixture.source(),
            receivedAt: Fixture.now,
            window: Fixture.window,
            maximumRecordBytes: most,
            requestID: requestID
        )
        do {
            var at = 0
            var turn = 0
            while at < body.count {
                let size = min(pieces[turn % pieces.count], body.count - at)
                try reader.feed(Array(body[at..<(at + size)])) { add($0) }
                at += size
                turn += 1
            }
            try reader.finish { add($0) }
        } catch {
            failure = error
        }
        shape = reader.shape
    }

    private mutating func add(_ outcome: RecordOutcome) {
        guard outcome.index == count else { return }
        switch outcome.result {
        case .success(let event): events[outcome.index] = event
        case .failure(let rejection):
            rejections[outcome.index] = rejection
            bytes[outcome.index] = String(decoding: outcome.bytes, as: UTF8.self)
        }
    }
}
