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

    init(_ node: SchemaNode?, _ message: String) {
        self = node?.error(message) ?? SchemaError(line: 1, column: 1, message)
    }

    package var description: String { "line \(line), column \(column): \(message)" }
}
