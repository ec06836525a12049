import EventCore
import EventStore
import HTTPTypes
import NIOCore

/// An error as a client sees it: `application/problem+json` (RFC 9457). Short, and nothing of the payload in it.
struct Problem: Error, Sendable {
    var status: HTTPResponse.Status
    /// Stable: what a program may switch on. One of `Code`, or of a record's `Rejection.Code`.
    let code: String
    let detail: String
    /// JSON Pointer (RFC 6901) to what is wrong in the body.
    var pointer: String?
    var headers: HTTPFields = [:]

    init(_ status: HTTPResponse.Status, _ code: Code, _ detail: String, pointer: String? = nil, headers: HTTPFields = [:]) {
        self.init(status, code: code.rawValue, detail, pointer: pointer, headers: headers)
    }

    /// What is wrong with a request's only record.
    init(_ status: HTTPResponse.Status, _ reason: QuarantineReason) {
        self.init(status, code: reason.code, reason.detail, pointer: reason.pointer)
    }

    private init(_ status: HTTPResponse.Status, code: String, _ detail: String, pointer: String? = nil, headers: HTTPFields = [:]) {
        self.status = status
        self.code = code
        self.detail = detail
        self.pointer = pointer
        self.headers = headers
    }

    /// One body for every cause, so that nothing is learnt from it.
    static let unauthenticated = Problem(
        .unauthorized,
        .unauthenticated,
        "A valid credential is needed.",
        headers: [.wwwAuthenticate: "Bearer"]
    )

    /// Sent again it would be refused again.
    var isSendersFault: Bool { (400..<500).contains(status.code) && status != .tooManyRequests }

    static let notFound = Problem(.notFound, .notFound, "There is nothing at this address.")

    static func unavailable(retryAfter: Int = 5) -> Problem {
        Problem(
            .serviceUnavailable,
            .unavailable,
            "This cannot be done now; keep what you sent and try again.",
            headers: [.retryAfter: String(retryAfter)]
        )
    }

    func reply(requestID: String?) -> Reply {
        var headers = headers
        headers[.contentType] = "application/problem+json"
        return Reply(status: status, headers: headers, body: json(requestID: requestID))
    }

    private func json(requestID: String?) -> ByteBuffer {
        var json = JSONWriter()
        json.object { json in
            json.member("type", "about:blank")
            json.member("title", status.reasonPhrase)
            json.member("status", Int(status.code))
            json.member("code", code)
            json.member("detail", detail)
            if let pointer { json.member("pointer", pointer) }
            if let requestID { json.member("request_id", requestID) }
        }
        return json.buffer
    }
}

extension Problem {
    /// A record that is not acceptable: 400 when it is not JSON at all, 422 otherwise.
    init(_ rejection: Rejection) {
        self.init(rejection.isMalformed ? .badRequest : .unprocessableContent, QuarantineReason(rejection))
    }
}
