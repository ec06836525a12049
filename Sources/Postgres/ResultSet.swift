import CLibPQ

/// Owns a PGresult.
final class ResultHandle: @unchecked Sendable {
    // A PGresult is never changed after libpq hands it out, so reading it from several threads is safe; cleared once, here.
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit { PQclear(pointer) }

    var status: ExecStatusType { PQresultStatus(pointer) }
    var commandTag: String { PQcmdStatus(pointer).map { String(cString: $0) } ?? "" }
}

/// The rows a statement returned and what it did.
package struct ResultSet: Sendable, RandomAccessCollection {
    let handle: ResultHandle
    package let count: Int

    init(_ handle: ResultHandle) {
        self.handle = handle
        count = Int(PQntuples(handle.pointer))
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { count }
    /// A row; one that is not there throws at decoding.
    package subscript(index: Int) -> Row { Row(handle: handle, index: index) }

    /// Such as `INSERT 0 3`.
    package var commandTag: String { handle.commandTag }

    /// Rows inserted, updated, deleted or selected; 0 for other commands.
    package var affectedRows: Int {
        PQcmdTuples(handle.pointer).flatMap { Int(String(cString: $0)) } ?? 0
    }

    package func decode<S: QueryStatement>(_ statement: S.Type) throws(PostgresError) -> [S.Output] {
        var outputs: [S.Output] = []
        outputs.reserveCapacity(count)
        for row in self { outputs.append(try S.decode(row)) }
        return outputs
    }
}
