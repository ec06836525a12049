import Foundation

/// Where a command writes: injected, so that tests read what a person would see.
struct Console: Sendable {
    var output: @Sendable (String) -> Void
    var error: @Sendable (String) -> Void

    /// Standard output and standard error, a line each.
    static let standard = Console(
        output: { FileHandle.standardOutput.write(Data("\($0)\n".utf8)) },
        error: { FileHandle.standardError.write(Data("\($0)\n".utf8)) }
    )

    @TaskLocal static var current = Console.standard
}
