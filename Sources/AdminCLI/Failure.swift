import ArgumentParser
import EventStore
import Foundation
import Postgres

/// An error of the tool's own, in words that say what to do next.
struct Failure: Error, CustomStringConvertible {
    /// EX_USAGE of sysexits.h.
    static let askedWrongly: Int32 = 64

    let description: String
    let exitCode: Int32

    init(_ description: String, exitCode: Int32 = 1) {
        self.description = description
        self.exitCode = exitCode
    }

    /// Where errors become exit codes, once: 64 for what was asked wrongly, 1 for what did not work, 0 for help.
    static func exit(_ error: any Error) -> Never {
        guard isOwn(error) else { Sluice.exit(withError: error) }
        Console.current.error("sluice: \(text(of: error))")
        Foundation.exit(exitCode(of: error))
    }

    static func exitCode(of error: any Error) -> Int32 {
        switch error {
        case let error as Failure: error.exitCode
        case let error as StoreError: error.code == .invalid ? askedWrongly : 1
        default: isOwn(error) ? 1 : Sluice.exitCode(for: error).rawValue
        }
    }

    private static func text(of error: any Error) -> String {
        guard let error = error as? PostgresError else { return "\(error)" }
        switch error.sqlState {
        case .undefinedTable, SQLState(rawValue: "3F000"): return "this database has none of Sluice's tables: run sluice migrate"
        case .insufficientPrivilege:
            return "this database login may not do that: DATABASE_ADMIN_URL takes a superuser or a member of sluice_owner"
        default: return "PostgreSQL: \(error)"
        }
    }

    /// ArgumentParser prints its own errors, with the usage.
    private static func isOwn(_ error: any Error) -> Bool {
        !(error is ExitCode || error is CleanExit || error is ValidationError)
            && Sluice.exitCode(for: error) == .failure
    }
}
