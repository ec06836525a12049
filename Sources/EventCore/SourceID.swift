/// The number of one named stream of a tenant, as the database knows it. Part of every fingerprint.
package struct SourceID: Hashable, Sendable, RawRepresentable {
    package let rawValue: Int32

    package init(rawValue: Int32) {
        self.rawValue = rawValue
    }
}

extension SourceID: CustomStringConvertible {
    package var description: String { String(rawValue) }
}
