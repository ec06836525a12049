extension RecordReader {
    mutating func handOver(
        scanned bytes: Span<UInt8>,
        _ record: (RecordOutcome) throws(Rejection) -> Void
    ) throws(Rejection) {
        nameRecord()
        try handOver(mapper.readScanned(bytes, reading), bytes, record)
    }

    mutating func handOver(
        line bytes: Span<UInt8>,
        _ record: (RecordOutcome) throws(Rejection) -> Void
    ) throws(Rejection) {
        nameRecord()
        try handOver(mapper.accept(bytes, reading), bytes, record)
    }

    mutating func refuse(
        _ rejection: Rejection,
        _ bytes: Span<UInt8>,
        _ record: (RecordOutcome) throws(Rejection) -> Void
    ) throws(Rejection) {
        try handOver(.failure(rejection), bytes, record)
    }

    private mutating func handOver(
        _ result: consuming Result<AcceptedEvent, Rejection>,
        _ bytes: Span<UInt8>,
        _ record: (RecordOutcome) throws(Rejection) -> Void
    ) throws(Rejection) {
        var kept: [UInt8] = []
        kept.append(bytes, 0..<min(bytes.count, maximumRecordBytes))
        let outcome = RecordOutcome(index: count, result: result, bytes: kept)
        count += 1
        try record(outcome)
    }

    private mutating func nameRecord() {
        reading.requestRecordID = recordID(count)
    }

    var tooLarge: Rejection { Rejection(.tooLarge, "a record is larger than \(maximumRecordBytes) bytes") }
}
