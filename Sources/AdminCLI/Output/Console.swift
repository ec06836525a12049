import Foundation

/// Where a command writes: injected, so that tests read what a person would see.
struct Console: Sendable {
    var output: @Sendable (String) -> Void
    var error: @Sendable (String) -> Void

    /// Standard output and standard error, a line each. A command whose answer nobody can read has failed.
    static let standard = Console(
        output: { line in
            guard !write(line, to: STDOUT_FILENO) else { return }
            write("sluice: the output could not be written", to: STDERR_FILENO)
            exit(1)
        },
        error: { write($0, to: STDERR_FILENO) }
    )

    /// The same for what goes on running, whoever reads it or does not any more.
    static let persistent = Console(output: { write($0, to: STDOUT_FILENO) }, error: { write($0, to: STDERR_FILENO) })

    @TaskLocal static var current = Console.standard

    @discardableResult
    private static func write(_ line: String, to descriptor: Int32) -> Bool {
        var rest = Array("\(line)\n".utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
