import Foundation

extension OutputOptions {
    /// Goes on after `--yes`, or a yes at the terminal; without a terminal nobody is asked.
    func confirm(_ consequence: String) throws {
        guard !yes else { return }
        guard isatty(STDIN_FILENO) == 1 else {
            throw Failure("\(consequence); add --yes to do it", exitCode: Failure.askedWrongly)
        }
        Console.current.error("\(consequence). Type yes to do it:")
        guard readLine() == "yes" else { throw Failure("nothing was done") }
    }
}
