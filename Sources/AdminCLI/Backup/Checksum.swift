import Crypto
import Foundation

/// SHA-256 of files, a piece at a time.
enum Checksum {
    static func file(_ path: String) throws -> (bytes: Int, sha256: String) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure("\(path) cannot be read: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var hash = SHA256()
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var bytes = 0
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure("\(path) cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            buffer.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
            bytes += count
        }
        return (bytes, hex(hash.finalize()))
    }

    /// Every file below a folder but its manifest and the draft of it, by path.
    static func files(in folder: String) throws -> [BackupManifest.File] {
        let names = try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
        let own = [BackupManifest.fileName, BackupManifest.draftName]
        return try names.filter { !own.contains($0) && FileFacts("\(folder)/\($0)")?.isFile == true }.map { name in
            let sum = try file("\(folder)/\(name)")
            return BackupManifest.File(path: name, bytes: sum.bytes, sha256: sum.sha256)
        }
    }

    /// - Throws: `Failure` that names the first file which is not as the manifest has it.
    static func verify(_ manifest: BackupManifest, in folder: String) throws {
        for expected in manifest.files {
            let found = try file("\(folder)/\(expected.path)")
            guard found.bytes == expected.bytes, found.sha256 == expected.sha256 else {
                throw Failure("\(folder)/\(expected.path) is damaged: its SHA-256 is not the manifest's")
            }
        }
    }

    /// What is written and renamed in a folder is on the disk afterwards.
    static func syncing(_ folder: String, _ body: () throws -> Void) throws {
        try body()
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        fsync(descriptor)
    }

    private static func hex(_ digest: SHA256.Digest) -> String {
        digest.map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0\(text)" : text
        }.joined()
    }
}
