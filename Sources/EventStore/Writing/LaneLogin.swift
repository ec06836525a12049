import Postgres

/// Whose connections lanes write with.
package enum LaneLogin: Sendable {
    /// `sluice_api`, which is refused when it could read every tenant, and writes as `sluice_writer`.
    case api
    /// The operator's, a superuser or a member of `sluice_owner`, and writes as that.
    case `operator`

    /// The role that its transactions take.
    var role: Role {
        switch self {
        case .api: .writer
        case .operator: .owner
        }
    }

    func check(_ connection: Connection) async throws {
        if self == .api { try await Database.refuseUnsafeLogin(connection) }
    }
}
