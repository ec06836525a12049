import Foundation

/// One line on standard error that is written over and over; nothing where that is no terminal.
struct ProgressLine {
    private let isShown = isatty(STDERR_FILENO) == 1
    private var lastShown: ContinuousClock.Instant?
    private var width = 0

    /// At most five times a second.
    mutating func show(_ text: @autoclosure () -> String) {
        let now = ContinuousClock.now
        guard isShown, lastShown.map({ now - $0 >= .milliseconds(200) }) ?? true else { return }
        lastShown = now
        let text = text()
        let padding = String(repeating: " ", count: max(0, width - text.count))
        width = text.count
        Self.write("\r\(text)\(padding)")
    }

    /// Wipes the line.
    mutating func end() {
        guard isShown, width > 0 else { return }
        Self.write("\r\(String(repeating: " ", count: width))\r")
        width = 0
    }

    private static func write(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }
}
