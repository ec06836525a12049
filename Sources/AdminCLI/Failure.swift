import ArgumentParser
import EventStore
import Foundation

/// An error of the tool's own, in words that say what to do next.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    /// Where errors become exit codes, once: 64 for what was asked wrongly, 1 for what did not work, 0 for help.
    static func exit(_ error: any Error) -> Never {
        let code = exitCode(of: error)
        if isOwn(error) {
            Console.current.error("sluice: \(error)")
            Foundation.exit(code)
        }
        Sluice.exit(withError: error)
    }

    static func exitCode(of error: any Error) -> Int32 {
        if let error = error as? StoreError { return error.code == .invalid ? 64 : 1 }
        return isOwn(error) ? 1 : Sluice.exitCode(for: error).rawValue
    }

    /// ArgumentParser prints its own errors, with the usage.
    private static func isOwn(_ error: any Error) -> Bool {
        !(error is ExitCode || error is CleanExit || error is ValidationError)
            && Sluice.exitCode(for: error) == .failure
    }
}
