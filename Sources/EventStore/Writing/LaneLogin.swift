import Postgres

/// Whose connections lanes write with.
package enum LaneLogin: Sendable {
    /// `sluice_api`, which is refused when it could read every tenant, and writes as `sluice_writer`.
    case api
    /// The operator's, a superuser or a member of `sluice_owner`, and writes as that.
    case `operator`

    var role: Query {
        switch self {
        case .api: Role.writer
        case .operator: Role.owner
        }
    }

    func check(_ connection: Connection) async throws {
        if self == .api { try await Database.refuseUnsafeLogin(connection) }
    }
}
