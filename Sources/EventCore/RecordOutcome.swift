/// What became of one record of a body.
package struct RecordOutcome: Sendable {
    /// Its place in the body, from 0.
    package let index: Int
    package let result: Result<AcceptedEvent, Rejection>
    /// The record as received, at most `maximumRecordBytes` of it: one that only the database refuses is kept whole too.
    package let bytes: [UInt8]

    package var isEvent: Bool {
        if case .success = result { true } else { false }
    }
}
