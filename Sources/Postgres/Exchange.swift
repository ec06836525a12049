import CLibPQ

/// What one request has brought so far. It outlives a wait that ends early, so that what comes during the clean-up still counts.
struct Exchange {
    /// A pipeline ends with its Sync; anything else when libpq has no more results.
    let isPipeline: Bool
    /// A result for each statement that has been answered, errors included, in order.
    private(set) var replies: [ResultHandle] = []
    /// The first error the server reported.
    private(set) var error: PostgresError?
    /// Which reply it is.
    private(set) var errorIndex: Int?
    /// A COPY has begun that nobody asked for.
    private(set) var sawCopy = false
    var isComplete = false

    init(isPipeline: Bool = false) {
        self.isPipeline = isPipeline
    }

    /// Takes one result of libpq's; an error for one that libpq made because the connection is gone.
    mutating func take(_ handle: ResultHandle, _ connection: OpaquePointer) throws(PostgresError) {
        switch handle.status {
        case PGRES_PIPELINE_SYNC:
            isComplete = true
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            sawCopy = true
            throw PostgresError(.unexpectedResult, "the statement is a COPY")
        case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE:
            guard let error = PostgresError(result: handle.pointer) else { throw lost(connection) }
            replies.append(handle)
            guard self.error == nil else { return }
            self.error = error
            errorIndex = replies.count - 1
        // A row of a stream that is being left.
        case PGRES_SINGLE_TUPLE: break
        default:
            replies.append(handle)
        }
    }

    /// The error for a connection that is gone, with libpq's text unless that may repeat what a statement's error said.
    func lost(_ connection: OpaquePointer) -> PostgresError {
        if var error, error.isFatal {
            error.code = .connectionLost
            return error
        }
        guard error == nil, replies.isEmpty else { return PostgresError(.connectionLost, "the server closed the connection") }
        return .connection(.connectionLost, libpqMessage: String(cString: PQerrorMessage(connection)))
    }
}
