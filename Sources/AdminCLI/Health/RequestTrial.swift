import Access
import AsyncHTTPClient
import EventStore
import Foundation
import NIOCore
import NIOHTTP1

/// Requests as senders and readers make them, good and bad ones, and a judgement of what a server answers to each.
///
/// Nothing is stored, but for the event that the caller gives: sent twice, it is one row.
struct RequestTrial {
    struct Request {
        var method = HTTPMethod.GET
        let path: String
        var key: String?
        var body: Data?
        var type = "application/json"
    }

    let key: APIKey
    let event: Data?
    let ask: (Request) async -> ServerAnswer

    init(base: String, by client: ServerClient, key: APIKey, event: Data?) {
        let base = base.hasSuffix("/") ? String(base.dropLast()) : base
        self.init(key: key, event: event) { request in
            var message = HTTPClientRequest(url: base + request.path)
            message.method = request.method
            if let key = request.key { message.headers.add(name: "Authorization", value: "Bearer \(key)") }
            if let body = request.body {
                message.headers.add(name: "Content-Type", value: request.type)
                message.body = .bytes(ByteBuffer(bytes: body))
            }
            // Longer than a server's own deadline: what it says of being late is an answer.
            return await client.ask(message, timeout: .seconds(15))
        }
    }

    init(key: APIKey, event: Data?, ask: @escaping (Request) async -> ServerAnswer) {
        self.key = key
        self.event = event
        self.ask = ask
    }

    private var stores: Bool { key.kind != .query }
    private var reads: Bool { key.kind == .query || key.kind == .admin }

    func examine() async -> [CheckResult] {
        var results = [await expect(401, "no key", Request(path: "/v1/events"), "a proxy in between may add a credential of its own")]
        let made = APIKey.generate(key.kind)
        results.append(
            await expect(401, "a made-up key", ingest(made, Data()), "something in between lets everybody in")
        )
        results.append(await expect(405, "a wrong method", Request(method: .DELETE, path: "/v1/events", key: key.text)))
        if reads {
            let page = Request(path: "/v1/events?limit=1", key: key.text)
            let read = await expect(200, "a page of events", page, adviceOfKey)
            results.append(read)
            guard read.verdict == .ok else { return results }
            let unknown = Request(path: "/v1/events?doctor=1", key: key.text)
            results.append(await expect(400, "an unknown parameter", unknown))
        }
        if stores {
            let empty = await expect(422, "an empty body", ingest(key, Data()), adviceOfKey)
            results.append(empty)
            guard empty.verdict == .ok else { return results }
            // A hook keeps what it cannot read: nothing of the kind is sent there.
            if key.kind != .hook { results.append(await expect(400, "half an object", ingest(key, Data("{\"a\":".utf8)))) }
            results += await sendEvent()
        } else {
            results.append(await expect(403, "an event with a key that only reads", ingest(key, Data("{}".utf8))))
        }
        return results
    }

    private var adviceOfKey: String {
        "401: is it this server's key, and not revoked (sluice key list)? 403: the tenant may be suspended. 429: it is over a limit (sluice tenant show)"
    }

    private func ingest(_ key: APIKey, _ body: Data) -> Request {
        key.kind == .hook
            ? Request(method: .POST, path: "/hooks/\(key.text)", body: body)
            : Request(method: .POST, path: "/v1/events", key: key.text, body: body)
    }

    private func sendEvent() async -> [CheckResult] {
        guard let event else {
            return [CheckResult("an event", .warn, "none was sent", advice: "give one of your sender's: --event FILE")]
        }
        var results: [CheckResult] = []
        for name in ["your event", "the same again"] {
            let answer = await ask(ingest(key, event))
            guard case .answered(let status, let body) = answer else {
                results.append(
                    CheckResult(name, .fail, Self.said(answer), advice: "a hook that cannot store closes: sluice health says why")
                )
                break
            }
            let reply = try? JSONDecoder().decode(Reply.self, from: body)
            let finding: String
            if let reply, let received = reply.received {
                finding =
                    "\(received) received, \(reply.accepted ?? 0) stored, \(reply.duplicates ?? 0) known, \(reply.quarantined ?? 0) in quarantine"
            } else {
                finding = [String(status), reply?.code, reply?.pointer, reply?.detail].compactMap { $0 }.joined(separator: " ")
            }
            let refused = reply?.errors?.first.map { [$0.code, $0.pointer ?? "", $0.detail].joined(separator: " ") }
            if status != 200 || refused != nil {
                let advice = "the schema refuses it: sluice schema show, sluice quarantine list"
                results.append(CheckResult(name, .fail, refused.map { "\(finding): \($0)" } ?? finding, advice: advice))
                break
            }
            let isKnown = reply?.accepted == 0
            let isDoubled = name == "the same again" && !isKnown
            let advice = "without a time of its own an event needs an id: Idempotency-Key, webhook-id or the schema's id:"
            results.append(CheckResult(name, isDoubled ? .warn : .ok, finding, advice: isDoubled ? advice : ""))
        }
        return results
    }

    private struct Reply: Decodable {
        struct Refusal: Decodable {
            let code: String
            let pointer: String?
            let detail: String
        }

        let received: Int?
        let accepted: Int?
        let duplicates: Int?
        let quarantined: Int?
        let errors: [Refusal]?
        let code: String?
        let pointer: String?
        let detail: String?
    }

    private func expect(_ status: Int, _ name: String, _ request: Request, _ advice: String = "") async -> CheckResult {
        let answer = await ask(request)
        if case .answered(status, _) = answer { return CheckResult(name, .ok, "\(status)") }
        let hint = advice.isEmpty ? "another program, or a proxy with rules of its own, answers there" : advice
        return CheckResult(name, .fail, "\(Self.said(answer)) instead of \(status)", advice: hint)
    }

    private static func said(_ answer: ServerAnswer) -> String {
        switch answer {
        case .answered(let status, let body):
            let code = (try? JSONDecoder().decode(Reply.self, from: body))?.code
            return [String(status), code].compactMap { $0 }.joined(separator: " ")
        case .refused: return "no connection"
        case .silent: return "no answer in time"
        case .failed(let why): return "closed without an answer (\(why))"
        }
    }
}
