import Access
import EventCore
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// Where requests meet their tenants' limits: the one place that `Limiter` and `KeyUsage` are called from.
///
/// Synchronous: `admit`, then `charge` with what the request really had, then `release` exactly once.
struct Admission: Sendable {
    let limiter: Limiter
    let usage: KeyUsage

    /// - Parameter writes: the request brings events.
    func admit(_ grant: Grant, writes: Bool) -> Limiter.Admission {
        limiter.admit(grant, writes: writes)
    }

    /// Notes that a credential was used.
    func note(_ grant: Grant) {
        usage.note(grant, at: .now())
    }

    /// Counts who still uses a superseded key; nil for the others, whose users nobody counts.
    func senderMeter(of grant: Grant, context: APIContext) -> (@Sendable (_ machine: String?) -> Void)? {
        guard grant.isSuperseded else { return nil }
        let address = context.clientAddress
        return { [usage] machine in
            usage.noteSender(grant, machine: machine, address: address?.description ?? "", at: .now())
        }
    }

    /// Runs a request that reads within its tenant's limits.
    func reading(_ grant: Grant, context: APIContext, _ body: () async throws -> Response) async throws -> Response {
        senderMeter(of: grant, context: context)?(nil)
        switch admit(grant, writes: false) {
        case .refused(let refusal):
            throw Problem(refusal)
        case .admitted(let ticket):
            let place = Place(ticket)
            var response = try await body()
            // A body that is still being made, such as an export, takes its place until its end.
            guard response.body.contentLength == nil else { return response }
            let answer = response.body
            response.body = ResponseBody { writer in try await answer.write(PlaceWriter(writer: writer, place: place)) }
            return response
        }
    }

    /// One of the requests that a tenant may have at once.
    private final class Place: Sendable {
        private let ticket: Mutex<Limiter.Ticket?>

        init(_ ticket: Limiter.Ticket) {
            self.ticket = Mutex(ticket)
        }

        func leave() {
            ticket.withLock { ticket in
                ticket?.release()
                ticket = nil
            }
        }

        deinit { leave() }
    }

    /// Leaves before the body's end is out: the client may send its next request as soon as it has that.
    private struct PlaceWriter: ResponseBodyWriter {
        var writer: any ResponseBodyWriter
        let place: Place

        mutating func write(_ buffer: ByteBuffer) async throws { try await writer.write(buffer) }

        consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
            place.leave()
            try await writer.finish(trailingHeaders)
        }
    }
}

extension IngestRoutes {
    /// Over a limit, in the way the sender's client understands.
    func hold(_ refusal: LimitRefusal, profile: SenderProfile, context: APIContext) async -> Response {
        await context.send(profile.reply(to: .overLimit, problem: Problem(refusal), requestID: context.id))
    }

    /// Senders that are to keep what they have, each in its client's way.
    func answer(_ withheld: Withheld, _ request: Request, context: APIContext, isHook: Bool) async -> Response {
        let grant = withheld.grant
        var profile: SenderProfile = isHook ? .privilegesWebhook : .generic
        if let (source, _) = try? await source(of: grant, named: isHook ? nil : Self.sourceName(request)),
            !isHook || grant.tellsHookProfile
        {
            profile = source.profile
        }
        return await context.send(profile.reply(to: withheld.outcome, problem: withheld.problem, requestID: context.id))
    }
}

extension Problem {
    /// Over a limit: 429 with `Retry-After` and the fields of draft-ietf-httpapi-ratelimit-headers-10.
    init(_ refusal: LimitRefusal) {
        var headers: HTTPFields = [.retryAfter: String(refusal.retryAfter)]
        let name = "\"\(refusal.limit.rawValue)\""
        if let policy = Self.rateLimitPolicy {
            let window = refusal.window.map { ";w=\($0.components.seconds)" } ?? ""
            headers[policy] = "\(name);q=\(refusal.quota)\(window)"
        }
        if let state = Self.rateLimit { headers[state] = "\(name);r=0;t=\(refusal.retryAfter)" }
        self.init(
            .tooManyRequests,
            .overLimit,
            "This tenant's limit \(refusal.limit.rawValue) (\(refusal.quota)) is reached; keep what you sent and try again.",
            headers: headers
        )
    }

    private static let rateLimitPolicy = HTTPField.Name("RateLimit-Policy")
    private static let rateLimit = HTTPField.Name("RateLimit")
}
