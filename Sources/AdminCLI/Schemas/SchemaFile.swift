import EventCore
import Foundation

/// A schema document as a command is given one: a file, standard input, or a template by its name.
enum SchemaFile {
    /// More is no schema; a byte more is read so that the document's own check can say so.
    private static let mostBytes = 64 * 1_024 + 1

    static func read(_ argument: String) throws -> SchemaDocument {
        let isFile = argument == "-" || FileManager.default.fileExists(atPath: argument)
        if !isFile, let template = SchemaTemplate(rawValue: argument) { return try SchemaDocument(yaml: template.yaml) }
        guard isFile else {
            let templates = SchemaTemplate.allCases.map(\.rawValue).joined(separator: ", ")
            throw Failure("there is no file \(argument), and no template of that name (\(templates))")
        }
        let bytes: Data
        do {
            let file = argument == "-" ? FileHandle.standardInput : try FileHandle(forReadingFrom: URL(filePath: argument))
            bytes = try file.read(upToCount: mostBytes) ?? Data()
        } catch {
            throw Failure("\(argument) cannot be read: \(error.localizedDescription)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Failure("\(argument) is not UTF-8") }
        do {
            return try SchemaDocument(yaml: text)
        } catch {
            throw Failure("\(argument): \(error)")
        }
    }
}
