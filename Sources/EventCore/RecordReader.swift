/// Cuts a body into records and reads each of them, while the body is still coming in.
///
/// Feed it the body in pieces of any size, then finish it: the outcomes do not depend on where the pieces were cut. A record is
/// scanned where it lies; only one that a piece's end cuts through is copied, and never more than `maximumRecordBytes` and a few.
///
/// A body that cannot be cut into records is refused with a `Rejection` whose offset counts from the body's start. What was handed
/// over before stands; every later call throws the same.
package struct RecordReader: Sendable {
    package enum Framing: Sendable {
        /// NDJSON: every line that is not blank is a record, whatever it holds. Lines end with LF, CRLF or the body.
        case lines
        /// The bytes decide: an array of records, else values one after the other, with or without white space between them.
        case any
    }

    package enum Shape: Hashable, Sendable {
        /// One bare value: its rejection is the request's answer.
        case single
        /// An array, also of one, NDJSON, or several values.
        case batch
    }

    enum Phase {
        case lines
        /// Nothing but white space so far.
        case beginning
        case sequence
        case array(ArrayPlace)
        case arrayEnd
        case failed(Rejection)
    }

    enum ArrayPlace {
        case valueOrEnd, value, commaOrEnd
    }

    /// What is left of a record that was refused before its end was seen.
    enum Skip {
        case line
        case value(ValueSkipper)
    }

    let maximumRecordBytes: Int
    private let requestID: String?
    var reading: RecordMapper.Reading

    var phase: Phase
    var skip: Skip?
    var mapper = RecordMapper()
    /// An array or NDJSON: a batch however many records it has.
    var isList: Bool
    /// In a sequence: nothing but white space since the last line break.
    var isLineStart = true
    /// In a sequence: a value was JSON.
    var hasParsed = false
    /// Records handed over.
    var count = 0
    /// Bytes of the body before the ones that are looked at.
    var base = 0
    /// A record's beginning, kept until there is more of it.
    var carry: [UInt8] = []
    /// Not looked at again before it is so long: twice its length, so that tiny pieces do not make every byte be scanned often.
    var carryGoal = 0
    static let leastStep = 512

    /// `requestID` is the request's `Idempotency-Key` or `webhook-id`: it covers all records, and wins over the schema's `id`.
    /// `senderName` is the machine of records that name none.
    package init(
        framing: Framing,
        source: Source,
        receivedAt: Timestamp,
        window: AcceptanceWindow,
        maximumRecordBytes: Int,
        requestID: String? = nil,
        senderName: String? = nil
    ) {
        // A tape's offsets have 32 bits.
        self.maximumRecordBytes = min(max(maximumRecordBytes, 1), 1 << 30)
        self.requestID = requestID
        reading = RecordMapper.Reading(source: source, receivedAt: receivedAt, window: window, senderName: senderName)
        phase = framing == .lines ? .lines : .beginning
        isList = framing == .lines
    }

    /// The id that the request gives to its record of that index.
    package func recordID(_ index: Int) -> String? {
        // A number sign, since "a1" with 2 and "a" with 12 are two records.
        requestID.map { "\($0)#\(index)" }
    }

    /// Final once the body is finished: until then a single value may turn out to be the first of several.
    package var shape: Shape { isList || count > 1 ? .batch : .single }

    /// Takes the next bytes, and hands over the records that are complete, in order. One may have to wait for more bytes.
    package mutating func feed(
        _ chunk: Span<UInt8>,
        _ record: (RecordOutcome) throws(Rejection) -> Void
    ) throws(Rejection) {
        try orFail { reader throws(Rejection) in try reader.take(chunk, record) }
    }

    package mutating func feed(
        _ chunk: UnsafeBufferPointer<UInt8>,
        _ record: (RecordOutcome) throws(Rejection) -> Void
    ) throws(Rejection) {
        try feed(chunk.span, record)
    }

    package mutating func feed(_ chunk: [UInt8], _ record: (RecordOutcome) throws(Rejection) -> Void) throws(Rejection) {
        try feed(chunk.span, record)
    }

    /// The body has ended: hands over what is left. A body without a record is `empty_body`, but for an empty array.
    package mutating func finish(_ record: (RecordOutcome) throws(Rejection) -> Void) throws(Rejection) {
        try orFail { reader throws(Rejection) in try reader.end(record) }
    }
}
