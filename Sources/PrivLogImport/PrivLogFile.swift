internal import GRDB

/// PrivLog's `data.db`, opened for reading alone.
package struct PrivLogFile: Sendable {
    /// What is wrong with the file, in words for the one who named it.
    package struct Unreadable: Error, CustomStringConvertible {
        package let description: String
    }

    private let queue: DatabaseQueue

    package init(path: String) throws(Unreadable) {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.label = "data.db"
        configuration.busyMode = .timeout(10)
        do {
            queue = try DatabaseQueue(path: path, configuration: configuration)
            let isThere = try queue.read { try $0.tableExists("priv_data") }
            guard isThere else { throw Unreadable(description: "\(path) has no table priv_data: it is not PrivLog's data.db") }
        } catch let error as Unreadable {
            throw error
        } catch {
            throw Unreadable(description: "\(path) cannot be read as PrivLog's data.db: \(Self.text(of: error))")
        }
    }

    package func count() throws(Unreadable) -> Int {
        try reading { try Int.fetchOne($0, sql: "SELECT count(*) FROM priv_data") ?? 0 }
    }

    /// The next rows, by their ids.
    package func rows(after id: Int64, limit: Int) throws(Unreadable) -> [PrivLogRow] {
        try reading { database in
            try Row.fetchAll(
                database,
                sql: "SELECT rowid AS sluice_rowid, * FROM priv_data WHERE rowid > ? ORDER BY rowid LIMIT ?",
                arguments: [id, limit]
            )
            .map(PrivLogRow.init)
        }
    }

    private func reading<T>(_ body: (GRDB.Database) throws -> T) throws(Unreadable) -> T {
        do {
            return try queue.read(body)
        } catch {
            throw Unreadable(description: "data.db cannot be read: \(Self.text(of: error))")
        }
    }

    /// SQLite's own words; no value is in them.
    private static func text(of error: any Error) -> String {
        (error as? DatabaseError)?.message ?? "\(type(of: error))"
    }
}
