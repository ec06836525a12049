package import EventCore
import Crypto

/// Whose events are meant: a person's, a device's, or a person's on a device.
package struct Subject: Sendable, Equatable {
    package let actor: String?
    package let machine: String?
    /// Of `occurred_at`; of refused records, which have none, of the time received.
    let window: Range<Timestamp>

    /// - Throws: `StoreError` (`invalid`) when it is nobody, or never.
    package init(actor: String?, machine: String?, from: Timestamp? = nil, to: Timestamp? = nil) throws(StoreError) {
        for text in [actor, machine].compactMap(\.self) where text.isEmpty || text.contains("\0") {
            throw StoreError(.invalid, "an actor or a machine is a text of one character at least")
        }
        guard actor != nil || machine != nil else { throw StoreError(.invalid, "say whose events: --actor, --machine or both") }
        let (start, end) = (from ?? .oldestPossible, to ?? .latestPossible)
        guard start < end else { throw StoreError(.invalid, "--from is before --to") }
        self.actor = actor
        self.machine = machine
        window = start..<end
    }

    /// For the audit log, which must not keep the name it is asked to forget: equal for the same subject, and no more.
    var digest: String {
        let text = "\(actor ?? "")\u{0}\(machine ?? "")"
        return SHA256.hash(data: Array(text.utf8)).prefix(8).map { byte in
            let hex = String(byte, radix: 16)
            return hex.count == 1 ? "0\(hex)" : hex
        }.joined()
    }

    /// The ways a refused body may spell each part as a JSON string, numbered by part.
    var patterns: [(bytes: [UInt8], place: Int32)] {
        [actor, machine].compactMap(\.self).enumerated().flatMap { place, text in
            JSONSpellings.all(of: text).map { (Array($0.utf8), Int32(place)) }
        }
    }
}

/// A text as JSON writers write it.
enum JSONSpellings {
    /// Slashes plain or escaped, what is not ASCII plain or as `\u` with small or capital digits.
    static func all(of text: String) -> [String] {
        var spellings: Set<String> = []
        for slashes in [false, true] {
            for unicode in [nil, false, true] as [Bool?] {
                spellings.insert("\"\(text.utf16Escaped(slashes: slashes, unicode: unicode))\"")
            }
        }
        return spellings.sorted()
    }
}

extension String {
    /// - Parameter unicode: nil leaves what is not ASCII as it is; true writes capital digits.
    fileprivate func utf16Escaped(slashes: Bool, unicode: Bool?) -> String {
        unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "/": result += slashes ? "\\/" : "/"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                guard scalar.value < 0x20 || (!scalar.isASCII && unicode != nil) else { return result.unicodeScalars.append(scalar) }
                for unit in String(scalar).utf16 {
                    let hex = String(unit, radix: 16, uppercase: unicode == true)
                    result += "\\u" + String(repeating: "0", count: max(0, 4 - hex.count)) + hex
                }
            }
        }
    }
}
