import Postgres

/// What a failed transaction means for its batch. Nothing of it is committed.
enum LaneFault {
    /// One of the rows can't be stored, whoever tries.
    case row
    /// A row's partition is not there.
    case month
    /// Another transaction holds one of the rows, or its table, and does not end.
    case held
    /// Worth another try, on a new connection when this one is gone.
    case passing
    /// Not for this batch, but perhaps for the next: the reason may go away.
    case lasting

    init(_ error: PostgresError) {
        switch error.code {
        case .notCommitted: self = .passing
        case .encoding: self = .row
        case .server(.checkViolation) where error.constraint == nil: self = .month
        // Cancelled by an administrator; our own deadline has an error of its own.
        case .server(.queryCanceled): self = .passing
        case .server(.lockNotAvailable): self = .held
        case .server(let state):
            switch state.classCode {
            // Data exceptions, integrity constraints, program limits (a jsonb string or an index row that is too large).
            case "22", "23", "54": self = .row
            default: self = error.isTransient ? .passing : .lasting
            }
        default: self = error.isTransient ? .passing : .lasting
        }
    }
}

extension EngineError {
    /// For an error that ends a batch.
    init(_ error: PostgresError) {
        switch error.code {
        case .deadlineExceeded: self = .deadlinePassed
        case .outcomeUnknown: self.init(.outcomeUnknown, error.description)
        default: self.init(.unavailable, error.description)
        }
    }
}
