/// How a request's body is cut into records. What cannot be cut at all is a rejection of the whole.
package enum BodyFraming: Sendable {
    /// The body is one record.
    case single

    /// Where the body's records are. A record need not be JSON yet: `RecordMapper` judges it.
    package func records(in body: Span<UInt8>) throws(Rejection) -> [Range<Int>] {
        switch self {
        case .single:
            let start = JSONTape.skipWhiteSpace(body, from: 0)
            guard start < body.count else { throw Rejection(.emptyBody, "the body is empty") }
            var end = body.count
            while end > start, body[end - 1].isJSONWhiteSpace { end -= 1 }
            return [start..<end]
        }
    }

    package func records(in body: UnsafeBufferPointer<UInt8>) throws(Rejection) -> [Range<Int>] {
        try records(in: body.span)
    }

    package func records(in body: [UInt8]) throws(Rejection) -> [Range<Int>] {
        try records(in: body.span)
    }
}
