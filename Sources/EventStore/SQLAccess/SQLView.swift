import EventCore
import Foundation
import Postgres

extension Connection {
    /// Puts the view of one schema in the newest version's shape, where the tenant's analysts have SQL at all. Within a transaction that
    /// holds the lock of the tenant's schemas; it never fails it.
    ///
    /// - Returns: nil when the view is as it should be, else the SQLSTATE of what was in the way: it is as it was.
    func putSQLView(of schemaName: String, for access: TenantAccess, deadline: ContinuousClock.Instant) throws -> String? {
        try take(.calling, of: access, deadline: deadline)
        guard try execute(HasSQLAccess(tenant: access.tenant), deadline: deadline).first == true else { return nil }
        try take(.reading, of: access, deadline: deadline)
        let versions = try execute(ListSchemas(tenant: access.tenant, schemaName: schemaName), deadline: deadline)
        let parsed = try versions.map { SchemaHistory.Version(number: $0.versionNumber, document: try SchemaDocument(yaml: $0.document)) }
        guard let history = SchemaHistory(parsed) else { return nil }
        let names = Dictionary(versions.map { ($0.versionNumber, $0.version) }, uniquingKeysWith: { first, _ in first })
        let description = SQLViewDescription(
            numbers: history.numbers,
            names: history.numbers.map { names[$0] ?? "" },
            columns: history.columns
        )
        try take(.calling, of: access, deadline: deadline)
        let put = PutSQLView(tenant: access.tenant, schemaName: schemaName, description: try description.json)
        return try execute(put, deadline: deadline).first ?? nil
    }
}

/// What `sluice.put_sql_view` makes a view of.
private struct SQLViewDescription: Encodable {
    let numbers: [Int32]
    let names: [String]
    let columns: [SchemaHistory.Column]

    var json: JSONB {
        get throws { JSONB(bytes: Array(try JSONEncoder().encode(self))) }
    }
}

struct HasSQLAccess: Statement {
    static let name = "has_sql_access"
    static let sql = "SELECT sluice.has_sql_access($1)"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Bool { try row.decode(0) }
}

struct PutSQLView: Statement {
    static let name = "put_sql_view"
    static let sql = "SELECT sluice.put_sql_view($1, $2, $3)"

    let tenant: TenantID
    let schemaName: String
    let description: JSONB

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(schemaName)
        bindings.append(description)
    }

    static func decode(_ row: Row) throws(PostgresError) -> String? { try row.decodeIfPresent(0) }
}
