import HTTPTypes
import Hummingbird
import NIOCore

/// An answer as it goes out, whichever way its request came in.
struct Reply: Sendable {
    var status: HTTPResponse.Status
    var headers: HTTPFields
    var body: ByteBuffer

    static func json(_ body: ByteBuffer, status: HTTPResponse.Status = .ok) -> Reply {
        Reply(status: status, headers: jsonHeaders, body: body)
    }

    private static let jsonHeaders: HTTPFields = [.contentType: "application/json"]

    var response: Response {
        Response(status: status, headers: headers, body: ResponseBody(byteBuffer: body))
    }
}
