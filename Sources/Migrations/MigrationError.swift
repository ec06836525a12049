/// Why the database could not be brought to this binary's version.
package struct MigrationError: Error, CustomStringConvertible {
    package enum Code: Sendable {
        /// A file was edited after it was applied: its checksum differs from the recorded one.
        case edited
        /// The database has no record of an older migration but has a newer one.
        case gap
    }

    package let code: Code
    package let number: Int32
    package let name: String

    package var description: String {
        switch code {
        case .edited:
            """
            migration \(number) (\(name)) was edited after it was applied here: \
            put the released file back and add a new migration with the change
            """
        case .gap:
            """
            migration \(number) (\(name)) was never applied here, but a later one was: \
            this database was not made by Sluice's own migrations
            """
        }
    }
}
