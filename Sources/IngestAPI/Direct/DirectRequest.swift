import Access
import EventCore
import NIOCore
import NIOHTTP1

/// A request that may go the short way, as far as its head tells.
struct DirectRequest {
    /// Bytes of body; a longer one is read by the routes, piece by piece.
    static let maximumBody = 16 << 10

    let head: HTTPRequestHead
    let isHook: Bool
    let credential: PresentedCredential
    let sourceSlug: String?
    let framing: RecordReader.Framing
    /// What the sender calls it, if that is a name.
    let requestName: String?
    /// The values of `X-Forwarded-For`.
    let forwarded: [String]
    let startedAt = ContinuousClock.now
    /// The sender wants no other answer on this connection.
    let closes: Bool
    var body: ByteBuffer?

    /// Nil for everything that is out of the ordinary.
    init?(_ head: HTTPRequestHead) {
        guard head.method == .POST, head.version == .http1_1 else { return nil }
        var fields = Fields()
        for (name, value) in head.headers {
            guard fields.take(name, value) else { return nil }
        }
        guard let length = fields.length, length <= Self.maximumBody else { return nil }
        if head.uri == "/v1/events" {
            guard let credential = fields.credential else { return nil }
            self.credential = credential
            isHook = false
            sourceSlug = fields.source
        } else {
            guard head.uri.hasPrefix("/hooks/"), fields.credential == nil else { return nil }
            credential = PresentedCredential(String(head.uri.utf8.dropFirst(7)) ?? "", in: .path)
            isHook = true
            sourceSlug = nil
        }
        guard let kind = try? ContentKind(type: fields.type, encoding: nil, anyType: isHook) else { return nil }
        framing = kind.framing
        closes = fields.closes ?? false
        requestName = fields.requestName
        forwarded = fields.forwarded
        self.head = head
    }

    /// Takes a piece of the body; the decoder lets no more through than the head announced.
    mutating func append(_ piece: ByteBuffer) {
        var piece = piece
        guard body != nil else { return body = piece }
        body?.writeBuffer(&piece)
    }

    /// What the head's fields say that matters here.
    private struct Fields {
        var length: Int?
        var type: String?
        var credential: PresentedCredential?
        var source: String?
        var closes: Bool?
        var requestName: String?
        var forwarded: [String] = []

        /// False for a field that makes the request one for the routes, and for one that comes twice.
        mutating func take(_ name: String, _ value: String) -> Bool {
            switch name.utf8.count {
            case 6 where name.isField("expect"), 7 where name.isField("upgrade"), 10 where name.isField("webhook-id"),
                15 where name.isField("idempotency-key"),
                16 where name.isField("content-encoding"), 17 where name.isField("transfer-encoding"):
                return false
            case 10 where name.isField("connection"):
                guard closes == nil, value == "close" || value == "keep-alive" else { return false }
                closes = value == "close"
                return true
            case 9 where name.isField("x-api-key"):
                return Self.set(&credential, PresentedCredential(value, in: .apiKeyHeader))
            case 11 where name.isField("x-source-id"):
                return Self.set(&source, value)
            case 12 where name.isField("x-request-id"):
                if requestName == nil, RequestName.isValid(value) { requestName = value }
                return true
            case 12 where name.isField("content-type"):
                return Self.set(&type, value)
            case 13 where name.isField("authorization"):
                guard value.utf8.starts(with: "Bearer ".utf8) else { return false }
                return Self.set(&credential, PresentedCredential(String(value.utf8.dropFirst(7)) ?? "", in: .authorization))
            case 15 where name.isField("x-forwarded-for"):
                forwarded.append(value)
                return true
            case 14 where name.isField("content-length"):
                guard length == nil, let count = Int(value), count >= 0 else { return false }
                length = count
                return true
            default:
                return true
            }
        }

        private static func set<Value>(_ field: inout Value?, _ value: Value) -> Bool {
            guard field == nil else { return false }
            field = value
            return true
        }
    }
}

extension String {
    /// Whether this is the field's name, whatever its case; `name` is in small letters.
    fileprivate func isField(_ name: StaticString) -> Bool {
        guard utf8.count == name.utf8CodeUnitCount else { return false }
        var at = name.utf8Start
        for byte in utf8 {
            // Of a field name's characters only letters change by this; "-" and digits have the bit set already.
            guard byte | 0x20 == at.pointee else { return false }
            at += 1
        }
        return true
    }
}
