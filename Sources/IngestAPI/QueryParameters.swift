import EventCore
import Hummingbird

/// A request's query, read strictly: a parameter that is unknown, given twice or not percent-encoded right is a 400 that
/// names it. `+` is a plus sign, as in `2026-11-06T17:04:31+01:00`.
struct QueryParameters: Sendable {
    private var values: [String: String] = [:]

    init(_ request: Request, allowed: Set<String>) throws {
        for pair in (request.uri.query ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decode(parts[0]), let value = Self.decode(parts.count > 1 ? parts[1] : "") else {
                throw Problem(.badRequest, .invalidParameter, "The query is not percent-encoded UTF-8.")
            }
            guard allowed.contains(name) else {
                throw Problem(
                    .badRequest,
                    .unknownParameter,
                    "Unknown parameter: \(Self.presentable(name))."
                )
            }
            guard values.updateValue(value, forKey: name) == nil else { throw Self.invalid(name, "is given twice") }
        }
    }

    /// Short, and a key that was put in the wrong place is not repeated.
    private static func presentable(_ name: String) -> String {
        name.contains("slc_") ? "a key" : String(decoding: name.utf8.prefix(64), as: UTF8.self)
    }

    /// Nil when it is absent; empty is a value nobody means.
    func text(_ name: String) throws -> String? {
        guard let value = values[name] else { return nil }
        guard !value.isEmpty else { throw Self.invalid(name, "is empty") }
        guard !value.utf8.contains(0) else { throw Self.invalid(name, "holds the NUL character") }
        return value
    }

    func timestamp(_ name: String) throws -> Timestamp? {
        guard let text = try text(name) else { return nil }
        guard let value = Timestamp(rfc3339: text) else { throw Self.invalid(name, "is not an RFC 3339 time") }
        return value
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let text = try text(name) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw Self.invalid(name, "is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    private static func invalid(_ name: String, _ why: String) -> Problem {
        Problem(.badRequest, .invalidParameter, "The parameter \(name) \(why).")
    }

    /// Nil when an escape is cut or the bytes are not UTF-8.
    static func decode(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard
                let high = rest.popFirst().flatMap({ Character(UnicodeScalar($0)).hexDigitValue }),
                let low = rest.popFirst().flatMap({ Character(UnicodeScalar($0)).hexDigitValue })
            else { return nil }
            bytes.append(UInt8(high * 16 + low))
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension Request {
    func refuseQueryParameters() throws {
        _ = try QueryParameters(self, allowed: [])
    }
}
