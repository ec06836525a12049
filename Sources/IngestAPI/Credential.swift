import Access
import Foundation
import HTTPTypes
import Hummingbird

/// Where credentials stand in a request's head: `Authorization: Bearer`, `Basic` (the password is the key), `X-API-Key`.
enum Credential {
    /// Everything in the headers that wants to be a credential: `Authorization` first, then `X-API-Key`.
    ///
    /// An `Authorization` that cannot be read is one that does not hold, whatever else is sent.
    static func all(in request: Request) -> [PresentedCredential] {
        var found: [PresentedCredential] = []
        if let authorization = request.headers[.authorization] {
            found.append(PresentedCredential(inAuthorization(authorization) ?? "", in: .authorization))
        }
        if let key = apiKeyHeader.flatMap({ request.headers[$0] }) { found.append(PresentedCredential(key, in: .apiKeyHeader)) }
        return found
    }

    private static func inAuthorization(_ authorization: String) -> String? {
        if authorization.utf8.starts(with: "Bearer ".utf8) { return String(authorization.utf8.dropFirst(7)) }
        let parts = authorization.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
        guard parts.count == 2 else { return nil }
        switch parts[0].lowercased() {
        case "bearer": return String(parts[1])
        case "basic": return basicPassword(parts[1])
        default: return nil
        }
    }

    private static let apiKeyHeader = HTTPField.Name("X-API-Key")

    private static func basicPassword(_ encoded: Substring) -> String? {
        guard
            encoded.utf8.count <= 1024, let data = Data(base64Encoded: String(encoded)),
            let colon = data.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        return String(decoding: data[(colon + 1)...], as: UTF8.self)
    }
}
