/// What the store could not do, in words for the one who asked.
package struct StoreError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        case notFound, alreadyExists, invalid
        /// It would refuse events that are accepted now, and nobody has said that it may.
        case breaking
        /// A bound of the design is reached: slots, months.
        case exhausted
        /// No more of something that a tenant keeps for good.
        case full
        /// The database lets the API do more than it should.
        case unsafeRole
        /// The database lacks something this binary needs.
        case notReady
    }

    package let code: Code
    /// Says what is wrong and what to do next; no secret, no payload.
    package let description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
