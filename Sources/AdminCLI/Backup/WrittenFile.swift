import Foundation

/// A file of the owner's that is written from its beginning, and on the disk when it is closed.
final class WrittenFile: Sendable {
    private let path: String
    private let descriptor: Int32

    /// - Parameter replacing: whether there may be one already, whose text goes; else it must be new.
    init(_ path: String, replacing: Bool = false) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (replacing ? O_TRUNC : O_EXCL), 0o600)
        guard descriptor >= 0 else { throw Failure("\(path) cannot be written: \(String(cString: strerror(errno)))") }
    }

    func write(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Failure("\(path) cannot be written: \(String(cString: strerror(errno)))") }
            rest = rest.dropFirst(count)
        }
    }

    func close() throws {
        guard fsync(descriptor) == 0 else { throw Failure("\(path) cannot be written: \(String(cString: strerror(errno)))") }
    }

    deinit {
        Foundation.close(descriptor)
    }
}
