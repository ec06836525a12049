/// A path into objects (RFC 6901): `/custom_data/serial`. A segment is always a key, never an array's index.
package struct JSONPointer: Hashable, Sendable, CustomStringConvertible {
    package let description: String
    let segments: [[UInt8]]

    /// Nil when the text is no pointer, points to the whole document, or is deeper than any record.
    package init?(_ text: String) {
        guard text.utf8.first == UInt8(ascii: "/") else { return nil }
        var segments: [[UInt8]] = []
        var isTilde = false
        for byte in text.utf8 {
            if isTilde {
                switch byte {
                case UInt8(ascii: "0"): segments[segments.count - 1].append(UInt8(ascii: "~"))
                case UInt8(ascii: "1"): segments[segments.count - 1].append(UInt8(ascii: "/"))
                default: return nil
                }
                isTilde = false
            } else if byte == UInt8(ascii: "/") {
                segments.append([])
            } else if byte == UInt8(ascii: "~") {
                isTilde = true
            } else {
                segments[segments.count - 1].append(byte)
            }
        }
        guard !isTilde, segments.count < JSONTape.maximumDepth else { return nil }
        self.segments = segments
        description = text
    }

    /// A pointer's text for these decoded keys, cut where it gets too long to be shown.
    static func text(of keys: [String]) -> String {
        let longest = 200
        var text = ""
        for key in keys {
            text += "/"
            for scalar in key.unicodeScalars {
                guard text.utf8.count < longest else { return text + "…" }
                switch scalar {
                case "~": text += "~0"
                case "/": text += "~1"
                // A key can hold anything; what is shown must not steer a terminal.
                case "\u{0}"..<" ", "\u{7F}"..<"\u{A0}": text += "\u{FFFD}"
                default: text.unicodeScalars.append(scalar)
                }
            }
        }
        return text
    }
}
