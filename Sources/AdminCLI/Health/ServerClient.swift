import ArgumentParser
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Whom a command believes to be the server that it asks.
struct ServerTrust: ParsableArguments {
    @Option(help: ArgumentHelp("Also trust a server whose certificate the authority in this PEM file signed.", valueName: "file"))
    var ca: String?

    /// - Parameter address: what `HealthCommand.check` lets through.
    func withClient<Return>(of address: String, _ body: (ServerClient) async throws -> Return) async throws -> Return {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.connectionPool.retryConnectionEstablishment = false
        if let ca {
            guard address.lowercased().hasPrefix("https:") else {
                throw Failure("--ca goes with an https address", exitCode: Failure.askedWrongly)
            }
            guard let authorities = try? NIOSSLCertificate.fromPEMFile(ca), !authorities.isEmpty else {
                throw Failure("\(ca) cannot be read, or holds no certificate in PEM", exitCode: Failure.askedWrongly)
            }
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.additionalTrustRoots = [.certificates(authorities)]
            configuration.tlsConfiguration = tls
        }
        return try await HTTPClient.withHTTPClient(configuration: configuration) { try await body(ServerClient(http: $0)) }
    }
}

/// Asks a server over HTTP: one try, no redirect, so that what comes is what the address itself answers.
struct ServerClient: Sendable {
    fileprivate let http: HTTPClient

    func ask(_ request: HTTPClientRequest, timeout: TimeAmount = .seconds(5)) async -> ServerAnswer {
        do {
            let response = try await http.execute(request, timeout: timeout)
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
        } catch let error as NIOSSLExtraError where error == .failedToValidateHostname {
            return .failed("its certificate is for another name")
        } catch let error as NIOSSLError {
            let isUntrusted = "\(error)".contains("CERTIFICATE_VERIFY_FAILED")
            return .failed(isUntrusted ? "its certificate is out of date, or of an authority that is unknown here" : "TLS failed")
        } catch {
            return .failed("\(type(of: error))")
        }
    }
}
