import HTTPTypes
import Hummingbird
import NIOCore
import Testing

@testable import IngestAPI

@Suite struct ContentKindTests {
    private func request(_ fields: [(HTTPField.Name, String)]) -> Request {
        var head = HTTPRequest(method: .post, scheme: "http", authority: "localhost", path: "/v1/events")
        for (name, value) in fields { head.headerFields.append(HTTPField(name: name, value: value)) }
        return Request(head: head, body: RequestBody(buffer: ByteBuffer()))
    }

    @Test(
        arguments: [
            ([(.contentLength, "0")], true),
            ([(.contentLength, "16384")], true),
            ([(.contentLength, "16385")], false),
            ([(.contentLength, "99999999999999999999")], false),
            ([(.contentLength, "10"), (.contentEncoding, "gzip")], false),
            ([(.transferEncoding, "chunked")], false),
            ([], false),
        ] as [([(HTTPField.Name, String)], Bool)]
    )
    func readsOnlyShortBodiesOnTheEventLoop(_ fields: [(HTTPField.Name, String)], isOnTheLoop: Bool) throws {
        let request = request(fields)
        let kind = try ContentKind(request, anyType: false)
        #expect((IngestRoutes.executor(toRead: request, kind) == nil) == isOnTheLoop)
    }
}
