import Crypto

/// A key brought from PrivLog: any text, without kind or checksum. It reads, in the header `X-API-Key`, and does nothing else.
package struct LegacyKey: Sendable {
    /// A shorter one could be guessed.
    package static let leastLength = 16
    static let mostLength = 256
    /// Over all tenants: every replica holds all of them in memory.
    package static let mostOfAll = 1000

    /// SHA-256 of the key: what is stored of it.
    package let digest: [UInt8]
    package let name: String

    /// Why a line is no key; the text does not repeat it.
    package struct Invalid: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// - Parameter line: `KEY:NAME`, as in PrivLog's `API_KEYS`.
    package init(line: some StringProtocol) throws(Invalid) {
        let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let key = parts.first.map { String($0) } ?? ""
        guard key.utf8.count >= Self.leastLength else {
            throw Invalid(description: "a key has at least \(Self.leastLength) characters: make a new one instead, with sluice key create")
        }
        guard key.utf8.count <= Self.mostLength, key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Invalid(description: "a key has at most \(Self.mostLength) printable ASCII characters and no spaces")
        }
        guard !key.hasPrefix("slc_") else { throw Invalid(description: "a key that begins with slc_ is one of Sluice's own") }
        digest = Self.digest(of: key)
        name = parts.count > 1 ? String(parts[1]) : ""
        guard name.unicodeScalars.count <= 200, !name.unicodeScalars.contains("\0") else {
            throw Invalid(description: "a key's name has at most 200 characters")
        }
    }

    /// The lines of a file, or PrivLog's own list divided by commas; empty lines and those that begin with # are none.
    package static func parse(_ text: String) throws(Invalid) -> [LegacyKey] {
        var keys: [LegacyKey] = []
        for (place, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            for part in line.split(separator: ",") {
                let trimmed = String(part.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
                guard !trimmed.isEmpty, !trimmed.hasPrefix("#") else { continue }
                do throws(Invalid) {
                    keys.append(try LegacyKey(line: trimmed))
                } catch {
                    throw Invalid(description: "line \(place + 1): \(error)")
                }
                guard keys.count <= mostOfAll else { throw Invalid(description: "more than \(mostOfAll) keys") }
            }
        }
        return keys
    }

    /// Nil for text that cannot be one.
    static func digest(ofPresented text: String) -> [UInt8]? {
        guard (leastLength...mostLength).contains(text.utf8.count) else { return nil }
        return digest(of: text)
    }

    private static func digest(of text: String) -> [UInt8] { Array(SHA256.hash(data: Array(text.utf8))) }
}

/// What is stored of it, and the id that lists and logs call it by.
package struct LegacyKeyRecord: Sendable {
    package let id: KeyID
    package let record: KeyRecord

    package init(id: KeyID, record: KeyRecord) {
        self.id = id
        self.record = record
    }
}
