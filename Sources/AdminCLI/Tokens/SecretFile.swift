import Foundation

/// Files that hold keys.
enum SecretFile {
    /// The whole of a file of at most 64 KiB.
    static func read(_ path: String) throws -> [UInt8] {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw Failure("\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { try? file.close() }
        let limit = 64 << 10
        let data: Data
        do {
            data = try file.read(upToCount: limit + 1) ?? Data()
        } catch {
            throw Failure("\(path) cannot be read")
        }
        guard data.count <= limit else { throw Failure("\(path) is larger than 64 KiB: that is no key", exitCode: Failure.askedWrongly) }
        return Array(data)
    }

    /// Makes a new file that only its owner reads, from its first moment; never writes over one that is there.
    ///
    /// - Parameter ifThere: what to say then, after the path.
    static func create(
        _ path: String,
        text: String,
        mode: mode_t = 0o600,
        ifThere: String = "is there already, and a key file is never written over: name another one"
    ) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else {
            throw Failure(
                errno == EEXIST
                    ? "\(path) \(ifThere)"
                    : "\(path) cannot be written: \(String(cString: strerror(errno)))"
            )
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try file.write(contentsOf: Data(text.utf8))
            try file.synchronize()
            try file.close()
        } catch {
            unlink(path)
            throw Failure("\(path) cannot be written")
        }
    }

    static func remove(_ path: String) {
        unlink(path)
    }
}
