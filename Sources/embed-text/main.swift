// Writes a Swift file whose `EmbeddedText.files` holds the text files of a folder, by name.
// Usage: embed-text OUTPUT FOLDER
import Foundation

/// A raw string literal that needs no escapes: more `#` than any run of them in the text.
func literal(_ text: String) -> String {
    let longest = text.split(whereSeparator: { $0 != "#" }).map(\.count).max() ?? 0
    let marks = String(repeating: "#", count: longest + 1)
    return "\(marks)\"\"\"\n\(text)\n\"\"\"\(marks)"
}

let arguments = CommandLine.arguments.dropFirst()
guard let output = arguments.first, let folder = arguments.dropFirst().first else {
    try? FileHandle.standardError.write(contentsOf: Data("usage: embed-text OUTPUT FOLDER\n".utf8))
    exit(64)
}
do {
    var source = "enum EmbeddedText {\n    static let files: [(name: String, text: String)] = [\n"
    // The same as in the plugin EmbedText.
    let kinds = [".sql", ".yaml", ".sh", ".conf", ".plist", ".md"]
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    for name in names.sorted() where kinds.contains(where: name.hasSuffix) {
        let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
        source += "(\(literal(name)),\n\(literal(text))),\n"
    }
    source += "    ]\n}\n"
    // What stays as it was is not compiled again: builds of every configuration run this, and write to the same place.
    if (try? String(contentsOfFile: output, encoding: .utf8)) != source {
        try source.write(toFile: output, atomically: true, encoding: .utf8)
    }
} catch {
    try? FileHandle.standardError.write(contentsOf: Data("embed-text: \(error)\n".utf8))
    exit(1)
}
