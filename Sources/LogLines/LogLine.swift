package import Logging

/// Something that will be a line in the log. Its text is made later, on the log's own thread.
package protocol LogRecord: Sendable {
    /// About how much memory it holds, in bytes.
    var size: Int { get }
    var line: LogLine { get }
}

/// A line before it has a format: a message that never varies, and what varies as named values.
package struct LogLine: LogRecord {
    package enum Value: Sendable {
        case text(String)
        case number(Int)
        case decimal(Double)
    }

    /// Bytes of one value; what is longer is cut.
    package static let maximumValue = 2_048
    package static let maximumFields = 64

    /// Microseconds since 1970.
    package let time: Int64
    package let level: Logger.Level
    package let message: String
    package let fields: [(name: String, value: Value)]

    package init(time: Int64, level: Logger.Level, message: String, fields: [(name: String, value: Value)]) {
        self.time = time
        self.level = level
        self.message = Self.cut(message)
        self.fields = fields.prefix(Self.maximumFields).map { field in
            if case .text(let text) = field.value { (field.name, .text(Self.cut(text))) } else { field }
        }
    }

    package var line: LogLine { self }

    package var size: Int {
        fields.reduce(128 + message.utf8.count) { size, field in
            if case .text(let text) = field.value { size + 64 + text.utf8.count } else { size + 64 }
        }
    }

    private static func cut(_ text: String) -> String {
        text.utf8.count <= maximumValue ? text : String(decoding: text.utf8.prefix(maximumValue), as: UTF8.self) + "…"
    }
}
