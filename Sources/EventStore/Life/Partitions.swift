package import Postgres

/// The months there are, and those to come.
package struct Partitions: Sendable {
    /// A month, and who needs it.
    package struct Entry: Sendable {
        package let partition: PartitionRecord
        /// Counted; nil: ``PartitionRecord/estimatedRows`` is all that is known.
        package let exactRows: Int?
        /// Slugs of the tenants that may see some of it, or are on hold, and have rows in it.
        package let neededBy: [String]
    }

    private let connection: Connection

    /// - Parameter connection: of a superuser or a member of `sluice_owner`.
    package init(_ connection: Connection) {
        self.connection = connection
    }

    /// - Parameter countingRows: reads every row of every month: slow where there are many.
    package func list(countingRows: Bool = false) async throws -> [Entry] {
        let timeout = countingRows ? Duration.seconds(3_600) : .seconds(60)
        return try await connection.asOwner(.readOnlySnapshot, timeout: timeout) { connection, deadline in
            let facts = try RetentionFacts.load(connection, deadline: deadline)
            return try facts.months.map { month in
                var rows: Int?
                if countingRows, month.partition.state == .attached {
                    let counts = try connection.execute(CountRows(month.partition), deadline: deadline)
                    rows = counts.reduce(0) { $0 + $1.rows }
                }
                return Entry(partition: month.partition, exactRows: rows, neededBy: facts.needing(month).map(\.slug).sorted())
            }
        }
    }

    /// Makes the months from last month to two ahead; how many were made now.
    package func ensure() async throws -> Int {
        try await connection.asPatientOwner { connection, deadline in
            Int(try connection.execute(EnsurePlannedMonths(), deadline: deadline).first ?? 0)
        }
    }
}
