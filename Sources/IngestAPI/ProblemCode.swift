import EventCore

extension Problem {
    /// What is wrong with a request as a whole; what is wrong with a record is `Rejection.Code`. docs/errors.md explains both.
    enum Code: String, CaseIterable, Sendable {
        // The request and its body.
        case brokenBody = "broken_body"
        case httpError = "http_error"
        case internalError = "internal_error"
        case invalidGzip = "invalid_gzip"
        case invalidRequestID = "invalid_request_id"
        case methodNotAllowed = "method_not_allowed"
        case notFound = "not_found"
        case tooLarge = "too_large"
        case tooManyRecords = "too_many_records"
        case tooSlow = "too_slow"
        case unsupportedEncoding = "unsupported_encoding"
        case unsupportedType = "unsupported_type"
        // Whose it is.
        case credentialExpired = "credential_expired"
        case missingScope = "missing_scope"
        case otherSource = "other_source"
        case suspended
        case tooManyFailures = "too_many_failures"
        case twoTenants = "two_tenants"
        case unauthenticated
        // When it comes.
        case closing
        case notReady = "not_ready"
        case overLimit = "over_limit"
        case unavailable
        // What is asked for.
        case invalidCursor = "invalid_cursor"
        case invalidParameter = "invalid_parameter"
        case noSuchEvent = "no_such_event"
        case unknownParameter = "unknown_parameter"
        // A schema.
        case breakingChange = "breaking_change"
        case invalidSchema = "invalid_schema"
        case schemaLimit = "schema_limit"
        case schemaNameMismatch = "schema_name_mismatch"
        case slotsExhausted = "slots_exhausted"
    }
}
