import Access
import EventCore
import EventStore
import Foundation
import HTTPTypes
import Hummingbird
import LogLines
import NIOCore
import Synchronization

/// The short way of a plain request: one that has come whole, whose credential and source are known, and whose records are all
/// acceptable. It is read, handed to a lane and answered on its connection's event loop, without a task of its own.
///
/// It decides nothing by itself. Whatever is out of the ordinary is left to the routes before anything is handed over, so what it
/// does is what `IngestRoutes` would do, sooner. (docs/performance.md)
final class DirectIngest: Sendable {
    let gate: Gate
    let routes: IngestRoutes
    let ledger: RequestLedger
    private let events: RouteSeries
    private let hooks: RouteSeries
    private let desks = Mutex<[ObjectIdentifier: ReplyDesk]>([:])

    init(gate: Gate, routes: IngestRoutes, ledger: RequestLedger) {
        self.ledger = ledger
        events = ledger.route(.post, "/v1/events")
        hooks = ledger.route(.post, "/hooks/{key}")
        self.gate = gate
        self.routes = routes
    }

    func desk(on eventLoop: any EventLoop) -> ReplyDesk {
        desks.withLock { desks in
            if let desk = desks[ObjectIdentifier(eventLoop)] { return desk }
            let desk = ReplyDesk(eventLoop, lanes: routes.lanes)
            desks[ObjectIdentifier(eventLoop)] = desk
            return desk
        }
    }

    /// The request's records, read, and its tenant's leave to bring them; nil when this is not for the short way.
    func read(
        _ request: DirectRequest,
        from peer: IPAddress?,
        showing certificate: PeerCertificate?
    ) -> (intake: Intake, arrival: DirectSubmission.Arrival)? {
        guard
            let grant = gate.knownGrant(request.credential, certificate: certificate, for: request.isHook ? .hook : .ingest),
            !grant.isSuperseded,
            (request.body?.readableBytes ?? 0) <= routes.limits.maximumBody,
            let source = routes.knownSource(of: grant, named: request.sourceSlug, isHook: request.isHook)
        else { return nil }
        guard case .admitted(let ticket) = routes.admission.admit(grant, writes: true) else { return nil }
        var isTaken = false
        // What goes the long way is let in there.
        defer { if !isTaken { ticket.release() } }
        var intake = routes.intake(grant, request.framing, source: source, isAbandoned: { false })
        do {
            if let body = request.body {
                try body.withUnsafeReadableBytes { try intake.feed($0.bindMemory(to: UInt8.self)) }
            }
            try intake.finish()
        } catch {
            return nil
        }
        guard intake.isPlain else { return nil }
        isTaken = true
        routes.admission.note(grant)
        let arrival = DirectSubmission.Arrival(
            grant: grant,
            ticket: ticket,
            source: source,
            receivedAt: intake.context.receivedAt,
            route: request.isHook ? hooks : events,
            startedAt: request.startedAt,
            address: gate.doorkeeper.client(of: peer, forwarded: request.forwarded),
            requestID: request.requestName ?? RequestID().description,
            bytes: request.body?.readableBytes ?? 0
        )
        return (intake, arrival)
    }

    /// Writes the request down, as `AccessMiddleware` does for the others.
    func note(_ arrival: DirectSubmission.Arrival, _ reply: Reply?) {
        ledger.note(
            RequestRecord(
                route: arrival.route,
                status: reply.map { Int($0.status.code) },
                duration: arrival.startedAt.duration(to: .now),
                requestID: arrival.requestID,
                grant: arrival.grant,
                address: arrival.address,
                bytesIn: arrival.bytes,
                bytesOut: reply?.body.readableBytes ?? 0,
                time: LogQueue.now()
            )
        )
    }
}

/// What one event loop's connections hand to the lanes, and where the lanes leave the outcomes.
///
/// Requests that are ready at the same moment are handed over together, so that an idle lane does not start with the first of them
/// alone; and however many outcomes a batch has, the loop is woken once.
final class ReplyDesk: Sendable {
    typealias Outcome = Result<[WriteOutcome], EngineError>

    private struct Parcel: Sendable {
        let handler: NIOLoopBound<DirectIngestHandler>
        let outcome: Outcome
    }

    private let eventLoop: any EventLoop
    private let lanes: Lanes
    private let submissions = Mutex<[Lanes.Submission]>([])
    private let parcels = Mutex<[Parcel]>([])
    private let clock = Mutex((second: time_t(0), text: ""))

    init(_ eventLoop: any EventLoop, lanes: Lanes) {
        self.eventLoop = eventLoop
        self.lanes = lanes
    }

    /// On the event loop: handed over once it has read what every connection has for it now.
    func submit(_ submission: Lanes.Submission) {
        let isFirst = submissions.withLock { submissions in
            submissions.append(submission)
            return submissions.count == 1
        }
        if isFirst { eventLoop.execute { self.handOver() } }
    }

    private func handOver() {
        let all = submissions.withLock { submissions in
            let all = submissions
            submissions.removeAll(keepingCapacity: true)
            return all
        }
        lanes.submit(all)
    }

    /// The time as HTTP writes it (RFC 9110, 5.6.7), put into words once a second.
    private var date: String {
        var now = time(nil)
        return clock.withLock { clock in
            if clock.second == now { return clock.text }
            var parts = tm()
            gmtime_r(&now, &parts)
            let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
                let length = strftime(buffer.baseAddress, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
                return String(decoding: buffer[..<length].lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }
            clock = (now, text)
            return text
        }
    }

    func write(_ reply: Reply, requestID: String, closes: Bool, into buffer: inout ByteBuffer) {
        if reply.status == .ok {
            buffer.writeStaticString("HTTP/1.1 200 OK\r\n")
        } else {
            buffer.writeString("HTTP/1.1 \(reply.status.code) \(reply.status.reasonPhrase)\r\n")
        }
        for field in reply.headers {
            buffer.writeString(field.name.rawName)
            buffer.writeStaticString(": ")
            buffer.writeString(field.value)
            buffer.writeStaticString("\r\n")
        }
        if closes { buffer.writeStaticString("Connection: close\r\n") }
        buffer.writeStaticString("Content-Length: ")
        buffer.writeString(String(reply.body.readableBytes))
        buffer.writeStaticString("\r\nX-Request-Id: ")
        buffer.writeString(requestID)
        buffer.writeStaticString("\r\nDate: ")
        buffer.writeString(date)
        buffer.writeStaticString("\r\nServer: sluice\r\n\r\n")
        buffer.writeImmutableBuffer(reply.body)
    }

    /// From any thread.
    func leave(_ outcome: Outcome, for handler: NIOLoopBound<DirectIngestHandler>) {
        let isFirst = parcels.withLock { parcels in
            parcels.append(Parcel(handler: handler, outcome: outcome))
            return parcels.count == 1
        }
        if isFirst { eventLoop.execute { self.handOut() } }
    }

    private func handOut() {
        let all = parcels.withLock { parcels in
            let all = parcels
            parcels.removeAll(keepingCapacity: true)
            return all
        }
        for parcel in all { parcel.handler.value.answer(parcel.outcome) }
    }
}
