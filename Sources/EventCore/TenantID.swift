/// An organisation's number, as the database knows it.
package struct TenantID: Hashable, Sendable, RawRepresentable {
    package let rawValue: Int32

    package init(rawValue: Int32) {
        self.rawValue = rawValue
    }
}

extension TenantID: CustomStringConvertible {
    package var description: String { String(rawValue) }
}
