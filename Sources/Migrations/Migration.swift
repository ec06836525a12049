import Crypto

/// One numbered file of `sql/`, compiled into this binary.
package struct Migration: Sendable {
    /// 1 and up, without gaps.
    package let number: Int32
    /// The file's name after its number: `foundation` for `0001_foundation.sql`.
    package let name: String
    let sql: String

    /// SHA-256 of the file, 32 bytes.
    package let checksum: [UInt8]

    /// Every migration this binary knows, oldest first.
    package static let all: [Migration] = EmbeddedText.files.compactMap { Migration(fileName: $0.name, sql: $0.text) }

    /// Nil when the name is not `NNNN_name.sql`; a test holds every file of `sql/` against it.
    package init?(fileName: String, sql: String) {
        let parts = fileName.split(separator: "_", maxSplits: 1)
        guard
            parts.count == 2, parts[0].count == 4, let number = Int32(parts[0]), number > 0,
            parts[1].hasSuffix(".sql"), parts[1].count > 4
        else { return nil }
        self.number = number
        self.name = String(parts[1].dropLast(4))
        self.sql = sql
        self.checksum = Array(SHA256.hash(data: Array(sql.utf8)))
    }
}
