// Writes a Swift file whose `EmbeddedText.files` holds the named text files, in the order given.
// Usage: embed-text OUTPUT FILE…
import Foundation

/// A raw string literal that needs no escapes: more `#` than any run of them in the text.
func literal(_ text: String) -> String {
    let longest = text.split(whereSeparator: { $0 != "#" }).map(\.count).max() ?? 0
    let marks = String(repeating: "#", count: longest + 1)
    return "\(marks)\"\"\"\n\(text)\n\"\"\"\(marks)"
}

let arguments = CommandLine.arguments.dropFirst()
guard let output = arguments.first else {
    try? FileHandle.standardError.write(contentsOf: Data("usage: embed-text OUTPUT FILE…\n".utf8))
    exit(64)
}
do {
    var source = "enum EmbeddedText {\n    static let files: [(name: String, text: String)] = [\n"
    for path in arguments.dropFirst() {
        let name = URL(filePath: path).lastPathComponent
        let text = try String(contentsOfFile: path, encoding: .utf8)
        source += "(\(literal(name)),\n\(literal(text))),\n"
    }
    source += "    ]\n}\n"
    try source.write(toFile: output, atomically: true, encoding: .utf8)
} catch {
    try? FileHandle.standardError.write(contentsOf: Data("embed-text: \(error)\n".utf8))
    exit(1)
}
