/// What is wrong in a schema document, and where.
package struct SchemaError: Error, Hashable, Sendable, CustomStringConvertible {
    /// From 1.
    package let line: Int
    /// From 1, in Unicode scalars.
    package let column: Int
    /// Says what to do instead.
    package let message: String

    /// A message may quote the document, but not page after page of it.
    private static let longestMessage = 400

    package init(line: Int, column: Int, _ message: String) {
        self.line = line
        self.column = column
        self.message = message.count > Self.longestMessage ? message.prefix(Self.longestMessage) + "…" : message
    }

    /// - Parameter offset: of the byte at fault; one behind the end is at the end.
    package init(in document: [UInt8], at offset: Int, _ message: String) {
        let before = document.prefix(max(0, offset))
        let line = before.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).last ?? before
        self.init(
            line: before.count { $0 == UInt8(ascii: "\n") } + 1,
            column: line.count { $0 & 0xC0 != 0x80 } + 1,
            message
        )
    }

    init(_ node: SchemaNode?, _ message: String) {
        self = node?.error(message) ?? SchemaError(line: 1, column: 1, message)
    }

    package var description: String { "line \(line), column \(column): \(message)" }
}
