import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// What an address answers, or why it does not.
enum ServerAnswer {
    case answered(status: Int, body: Data)
    case refused
    case silent
    case failed(String)

    /// One try, no redirect: what the address itself answers. Lives as long as the process.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    static func to(_ request: HTTPClientRequest, timeout: TimeAmount = .seconds(5)) async -> ServerAnswer {
        do {
            let response = try await client.execute(request, timeout: timeout)
            let body = try await response.body.collect(upTo: 1 << 20)
            return .answered(status: Int(response.status.code), body: Data(body.readableBytesView))
        } catch let error as HTTPClientError where error == .deadlineExceeded || error == .connectTimeout {
            return .silent
        } catch let error as IOError where error.errnoCode == ECONNREFUSED {
            return .refused
        } catch is NIOConnectionError {
            return .refused
        } catch let error as HTTPClientError {
            return .failed(error.shortDescription)
        } catch {
            return .failed("\(type(of: error))")
        }
    }
}
