import Access
import LogLines
import Logging

/// What is told of a request once it is answered: one line, which says who came and what became of it, and never the key.
struct RequestRecord: LogRecord {
    /// As it stands in the route table, `/hooks/{key}`: the path that was asked for may hold a key.
    let route: RouteSeries
    /// Nil: the connection was closed without an answer.
    let status: Int?
    let duration: Duration
    let requestID: String
    /// Nil: no credential, or none that holds.
    let grant: Grant?
    /// Who really sends, as far as trusted proxies tell.
    let address: IPAddress?
    /// Of the bodies, where that is known.
    let bytesIn: Int?
    let bytesOut: Int?
    /// Microseconds since 1970.
    let time: Int64

    var size: Int { 384 }

    var line: LogLine {
        var fields: [(name: String, value: LogLine.Value)] = [
            ("request_id", .text(requestID)), ("method", .text(route.method)), ("route", .text(route.path)),
            ("status", status.map { .number($0) } ?? .text("closed")), ("duration_ms", .decimal(Double(duration.microseconds) / 1_000)),
        ]
        if let bytesIn { fields.append(("bytes_in", .number(bytesIn))) }
        if let bytesOut { fields.append(("bytes_out", .number(bytesOut))) }
        if let grant {
            fields.append(("tenant", .text(grant.tenantSlug)))
            switch grant.bearer {
            case .key(let id, let name): fields += [("key_id", .text(id.text)), ("key_name", .text(name))]
            case .token(let issuer, _): fields.append(("issuer_id", .text("\(issuer.rawValue)")))
            case .certificate(let authority, let serialNumber):
                fields += [("client_ca", .text(String(authority.prefix(16)))), ("certificate_serial", .text(serialNumber))]
            case .openPath: break
            }
        }
        if let address { fields.append(("address", .text(address.description))) }
        return LogLine(time: time, level: .info, message: "Request", fields: fields)
    }
}

extension Duration {
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
    fileprivate var microseconds: Int64 { nanoseconds / 1_000 }
}
