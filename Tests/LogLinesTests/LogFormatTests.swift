import Foundation
@testable import LogLines
import Logging
import Testing

@Suite struct LogFormatTests {
    private func write(_ format: LogFormat, _ fields: [(name: String, value: LogLine.Value)], message: String = "Something happened")
        -> String
    {
        var bytes: [UInt8] = []
        format.write(LogLine(time: 1_795_233_600_001_234, level: .info, message: message, fields: fields), to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func writesTextThatPeopleRead() {
        let line = write(
            .text,
            [("route", .text("/hooks/{key}")), ("status", .number(200)), ("name", .text("MDM Berlin")), ("none", .text(""))]
        )
        #expect(line == "2026-11-21T04:00:00.001234Z info Something happened route=/hooks/{key} status=200 name=\"MDM Berlin\" none=\"\"\n")
    }

    @Test func writesAnObjectALine() throws {
        let line = write(
            .json,
            [("a", .text("x \"y\" \\ z")), ("n", .number(-3)), ("d", .decimal(1.5)), ("i", .decimal(.infinity)), ("time", .text("t"))]
        )
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["time"] as? String == "2026-11-21T04:00:00.001234Z" && object["level"] as? String == "info")
        #expect(object["message"] as? String == "Something happened" && object["a"] as? String == "x \"y\" \\ z")
        #expect(object["n"] as? Int == -3 && object["d"] as? Double == 1.5 && object["i"] is NSNull && object["_time"] as? String == "t")
    }

    /// What a header may hold, and what would pass for another line, another field or a command to a terminal.
    @Test(
        arguments: [
            "a\n2026-11-21T04:00:00Z info forged", "a\r\nb", "\u{1B}[2J\u{1B}[31mred", "\",\"level\":\"error\",\"x\":\"", "a\u{2028}b",
            "a\u{85}b",
            "\u{202E}txt", "\u{0}\u{7}\u{8}", "x=1 status=200", "\\", "\u{9B}31m", "\u{FEFF}a",
        ]
    )
    func letsNoValueForgeALine(_ value: String) throws {
        let text = write(.text, [("agent", .text(value)), ("status", .number(418))])
        let json = write(.json, [("agent", .text(value)), ("status", .number(418))])
        for line in [text, json] {
            #expect(line.utf8.count { $0 == UInt8(ascii: "\n") } == 1 && line.utf8.last == UInt8(ascii: "\n"))
            #expect(
                !line.dropLast().unicodeScalars.contains {
                    $0.properties.generalCategory == .control || $0.properties.generalCategory == .format
                }
            )
            #expect(!line.unicodeScalars.contains { ["\u{2028}", "\u{2029}"].contains($0) })
        }
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        #expect(object["agent"] as? String == value && object["level"] as? String == "info" && object.count == 5)
        #expect(text.contains("agent=\"") && text.hasSuffix("\" status=418\n"))
    }

    @Test func cutsWhatIsTooLong() {
        let line = write(.text, [("a", .text(String(repeating: "x", count: 1 << 20)))], message: String(repeating: "m", count: 1 << 20))
        #expect(line.utf8.count < 3 * LogLine.maximumValue)
    }
}
