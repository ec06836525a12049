import EventStore
import HTTPTypes
import Hummingbird

/// What a reader wants an answer to look like.
enum Negotiation {
    /// The line format that the request's `Accept` ranks highest; nil when it ranks JSON as high, or names none of them.
    static func lines(of request: Request) -> EventFormat? {
        guard let accept = request.headers[.accept] else { return nil }
        var best: (format: EventFormat?, weight: Double) = (nil, 0)
        for entry in entries(accept) {
            let format: EventFormat?
            switch entry.name {
            case "text/csv": format = .csv
            case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines": format = .ndjson
            case "application/json", "*/*", "application/*": format = nil
            default: continue
            }
            if entry.weight > best.weight { best = (format, entry.weight) }
        }
        return best.format
    }

    /// `gzip` is named in `Accept-Encoding`, and not refused.
    static func takesGzip(_ request: Request) -> Bool {
        guard let accept = request.headers[.acceptEncoding] else { return false }
        return entries(accept).contains { ($0.name == "gzip" || $0.name == "x-gzip") && $0.weight > 0 }
    }

    /// Names in small letters, with their weights `q` (RFC 9110, 12.4.2).
    private static func entries(_ header: String) -> [(name: String, weight: Double)] {
        header.split(separator: ",").prefix(32).map { entry in
            let parts = entry.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) }
            return (parts.first ?? "", min(max(weight ?? 1, 0), 1))
        }
    }
}
