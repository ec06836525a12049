import EventCore
import HTTPTypes
import Hummingbird

extension Request {
    /// Bytes of the body, as the head states them; nil for a body that comes in chunks, and for no sensible number.
    var statedLength: Int? { headers[.contentLength].flatMap { Int($0) } }
}

/// What a request says of its body.
struct ContentKind: Sendable {
    let framing: RecordReader.Framing
    let isGzip: Bool

    init(_ request: Request, anyType: Bool) throws {
        try self.init(type: request.headers[.contentType], encoding: request.headers[.contentEncoding], anyType: anyType)
    }

    /// - Parameters:
    ///   - header: the field `Content-Type`.
    ///   - encoding: the field `Content-Encoding`.
    ///   - anyType: takes every Content-Type, for senders that send what they are given.
    init(type header: String?, encoding: String?, anyType: Bool) throws {
        let type = Self.mediaType(header ?? "")
        guard anyType || Self.isTaken(type) else {
            throw Problem(.unsupportedMediaType, .unsupportedType, "This takes application/json and application/x-ndjson.")
        }
        framing = type != "application/json" && Self.lineTypes.contains(type) ? .lines : .any
        guard let encoding else {
            isGzip = false
            return
        }
        switch encoding.lowercased() {
        case "identity", "": isGzip = false
        case "gzip", "x-gzip": isGzip = true
        default: throw Problem(.unsupportedMediaType, .unsupportedEncoding, "This takes gzip and no other encoding.")
        }
    }

    private static let lineTypes: Set<String> = [
        "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl", "application/jsonlines",
        "application/json-lines", "application/x-json-stream",
    ]

    private static func isTaken(_ type: String) -> Bool {
        lineTypes.contains(type) || type.hasSuffix("+json")
            || ["", "application/json", "text/json", "text/plain", "application/octet-stream"].contains(type)
    }

    private static let json = "application/json"

    private static func mediaType(_ header: String) -> String {
        if header.hasPrefix(json), header.utf8.count == json.utf8.count || header.utf8.dropFirst(json.utf8.count).first == UInt8(ascii: ";")
        {
            return json
        }
        return String(header.prefix { $0 != ";" }).split(separator: " ").joined().lowercased()
    }
}
