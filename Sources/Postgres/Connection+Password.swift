import CLibPQ

extension Connection {
    /// What PostgreSQL keeps instead of a role's password: a SCRAM-SHA-256 verifier. Made here, so that no statement and no log of the
    /// server's ever has the password.
    package func passwordVerifier(
        _ password: String,
        of role: String,
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> String {
        let connection = try begin(deadline)
        guard let text = PQencryptPasswordConn(connection, password, role, "scram-sha-256") else {
            throw PostgresError(.encoding, "this password cannot be made into a verifier")
        }
        defer { PQfreemem(text) }
        return String(cString: text)
    }
}
