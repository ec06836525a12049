import EventCore
import Postgres

/// A batch of a subject's events of one month, and the ids that their senders chose.
struct EraseSubject: Statement {
    static let name = "erase_subject"
    static let sql = "SELECT events, remembered_ids FROM sluice.erase_subject($1, $2, $3, $4, $5, $6)"

    let tenant: TenantID
    let subject: Subject
    let window: Range<Timestamp>
    let batch: Int32

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(subject.actor)
        bindings.append(subject.machine)
        bindings.append(window.lowerBound.timestamptz)
        bindings.append(window.upperBound.timestamptz)
        bindings.append(batch)
    }

    static func decode(_ row: Row) throws(PostgresError) -> (events: Int32, rememberedIDs: Int32) {
        (try row.decode(0), try row.decode(1))
    }
}

/// What superseded keys remember of who still uses them: a machine.
struct EraseSender: Statement {
    static let name = "erase_sender"
    static let sql = "SELECT sluice.erase_sender($1, $2)"

    let tenant: TenantID
    let machine: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(machine)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Int32 { try row.decode(0) }
}

struct EraseRefused: Statement {
    static let name = "erase_refused"
    static let sql = "SELECT sluice.erase_refused($1, $2, $3, $4, $5, $6)"

    let tenant: TenantID
    let subject: Subject
    let batch: Int32

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(subject.patterns.map { Bytea(bytes: $0.bytes) })
        bindings.append(subject.patterns.map(\.place))
        bindings.append(subject.window.lowerBound.timestamptz)
        bindings.append(subject.window.upperBound.timestamptz)
        bindings.append(batch)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Int32 { try row.decode(0) }
}

struct BeginErasingTenant: Statement {
    static let name = "begin_erasing_tenant"
    static let sql = "SELECT true FROM sluice.begin_erasing_tenant($1)"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

struct EraseTenantRows: Statement {
    static let name = "erase_tenant_rows"
    static let sql = "SELECT sluice.erase_tenant_rows($1, $2, $3)"

    let tenant: TenantID
    let table: String
    let batch: Int32

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(table)
        bindings.append(batch)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Int32 { try row.decode(0) }
}

struct FinishErasingTenant: Statement {
    static let name = "finish_erasing_tenant"
    static let sql = "SELECT true FROM sluice.finish_erasing_tenant($1)"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}
