/// Who acts, and from where, as the audit log names them.
package struct AuditActor: Sendable, Hashable {
    /// `cli:alice`, `cli:root (sudo: alice)`, `key:` and a key's id.
    package let name: String
    /// A host or a network address; nil when it is not known.
    package let address: String?

    /// Long or unprintable parts are cut and replaced: they come from an environment.
    package init(name: String, address: String? = nil) {
        self.name = Self.clean(name)
        self.address = address.map(Self.clean)
    }

    private static func clean(_ text: String) -> String {
        let scalars = text.unicodeScalars.prefix(200).map { scalar -> Unicode.Scalar in
            [.control, .format, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory) ? "?" : scalar
        }
        return String(String.UnicodeScalarView(scalars))
    }
}

extension AuditActor: ExpressibleByStringLiteral {
    package init(stringLiteral name: String) {
        self.init(name: name)
    }
}
