import Foundation

/// A new folder, or a new file, that holds a credential: nobody else can look into it from its first moment.
enum SecretFolder {
    struct File: Sendable {
        let name: String
        let text: String
        var isExecutable = false
    }

    /// Makes the folder; one that is there must be empty, so that nothing of somebody's is written over.
    static func make(_ path: String) throws {
        if mkdir(path, 0o700) == 0 { return }
        guard errno == EEXIST else { throw Failure("\(path) cannot be made: \(String(cString: strerror(errno)))") }
        guard let contents = try? FileManager.default.contentsOfDirectory(atPath: path), contents.isEmpty else {
            throw Failure("\(path) is there already and is no empty folder: name another one with --out")
        }
        guard chmod(path, 0o700) == 0 else { throw Failure("\(path) belongs to somebody else: name another one with --out") }
    }

    /// All of them or, when one cannot be written, none.
    static func write(_ files: [File], into folder: String) throws {
        var written: [String] = []
        do {
            for file in files {
                try create("\(folder)/\(file.name)", text: file.text, mode: file.isExecutable ? 0o700 : 0o600)
                written.append("\(folder)/\(file.name)")
            }
        } catch {
            for path in written { unlink(path) }
            throw error
        }
    }

    /// Never writes over a file that is there.
    static func create(_ path: String, text: String, mode: mode_t = 0o600) throws {
        try SecretFile.create(path, text: text, mode: mode, ifThere: "is there already: name another one with --out")
    }

    /// A token that somebody else issued: one line, at most 8 KiB, of the characters that tokens are made of.
    static func readToken(_ path: String) throws -> String {
        let limit = 8 << 10
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.read(upToCount: limit + 1), data.count <= limit else {
            throw Failure("\(path) cannot be read, or is too long for a token")
        }
        let token = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        let isToken =
            !token.isEmpty
            && token.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "._~+/=-".utf8.contains(byte)
                }
            }
        guard isToken else { throw Failure("\(path) holds something that is no token", exitCode: Failure.askedWrongly) }
        return token
    }
}
