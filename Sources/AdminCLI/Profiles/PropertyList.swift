/// An Apple property list, written as XML: configuration profiles are made of one.
indirect enum PropertyList: Sendable {
    case string(String), integer(Int), boolean(Bool), array([PropertyList]), dictionary([(key: String, value: PropertyList)])

    /// The whole document. XML 1.0 has no way to write most control characters, so a text with one is refused.
    func document() throws -> String {
        """
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
        <plist version="1.0">
        \(try element(indent: ""))
        </plist>

        """
    }

    private func element(indent: String) throws -> String {
        let inner = indent + "\t"
        switch self {
        case .string(let text): return "\(indent)<string>\(try Self.escaped(text))</string>"
        case .integer(let number): return "\(indent)<integer>\(number)</integer>"
        case .boolean(let flag): return "\(indent)<\(flag)/>"
        case .array(let values):
            guard !values.isEmpty else { return "\(indent)<array/>" }
            let lines = try values.map { try $0.element(indent: inner) }
            return "\(indent)<array>\n\(lines.joined(separator: "\n"))\n\(indent)</array>"
        case .dictionary(let members):
            guard !members.isEmpty else { return "\(indent)<dict/>" }
            let lines = try members.map { "\(inner)<key>\(try Self.escaped($0.key))</key>\n\(try $0.value.element(indent: inner))" }
            return "\(indent)<dict>\n\(lines.joined(separator: "\n"))\n\(indent)</dict>"
        }
    }

    private static func escaped(_ text: String) throws -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "\t", "\n": escaped.unicodeScalars.append(scalar)
            case "\u{0}"..."\u{1F}", "\u{FFFE}", "\u{FFFF}":
                throw Failure("a control character cannot be written into a profile", exitCode: Failure.askedWrongly)
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
