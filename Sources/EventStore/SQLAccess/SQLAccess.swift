package import EventCore
import Postgres

/// SQL for a tenant's analysts: a login, and the views that it sees.
package struct SQLAccess: Sendable {
    package struct View: Sendable {
        /// Within the schema of all of them.
        package let name: String
        /// The tenant's schema whose events it shows.
        package let schemaName: String
        /// It is there, and as the newest version has it.
        package let isCurrent: Bool
    }

    package let tenant: String
    package let login: String
    /// Where the views are, as PostgreSQL calls it: `tenant_acme`.
    package let sqlSchema: String
    package let connections: Int
    /// Seconds.
    package let timeout: Int
    package let createdAt: Timestamp
    /// When its password was made.
    package let rotatedAt: Timestamp
    package internal(set) var views: [View] = []
    /// What PostgreSQL gives everybody and this operator may not take away, in words.
    package internal(set) var stillOpen: [String] = []
}

/// What an operator asks of it; nil leaves it, or takes what is usual.
package struct SQLAccessSettings: Sendable {
    package static let usualConnections = 5
    /// Seconds.
    package static let usualTimeout = 300

    package var login: String?
    package var connections: Int?
    /// Seconds.
    package var timeout: Int?

    package init(login: String? = nil, connections: Int? = nil, timeout: Int? = nil) {
        self.login = login
        self.connections = connections
        self.timeout = timeout
    }

    func check() throws(StoreError) {
        if let connections, !(1...1_000).contains(connections) {
            throw StoreError(.invalid, "a login has 1 to 1,000 connections, not \(connections)")
        }
        if let timeout, !(1...86_400).contains(timeout) {
            throw StoreError(.invalid, "a statement may take 1 second to 1 day")
        }
        if let login, !Self.isLogin(login) {
            throw StoreError(.invalid, "a login is called by 1 to 63 of a-z, 0-9 and _, and begins with a letter")
        }
    }

    private static func isLogin(_ name: String) -> Bool {
        let isLetter: (UInt8) -> Bool = { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
        let isDigit: (UInt8) -> Bool = { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return (1...63).contains(name.utf8.count) && name.utf8.first.map(isLetter) == true && !name.hasPrefix("pg_")
            && name.utf8.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "_") }
    }

    /// `sluice_sql_acme`: made of the schema's name, which is unique in a database. What would be too long is cut and has the tenant's
    /// number, as there.
    static func usualLogin(sqlSchema: String, tenant: TenantID) -> String {
        let slug = sqlSchema.dropFirst("tenant_".utf8.count)
        return "sluice_sql_" + (slug.utf8.count <= 52 ? String(slug) : "\(slug.prefix(40))$\(tenant.rawValue)")
    }
}
