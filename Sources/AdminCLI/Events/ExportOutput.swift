import Crypto
import EventCore
import EventStore
import Foundation

/// The file that an export writes, with its manifest; or standard output, which has none.
///
/// Now and then the file is brought to a point from which it can be gone on with: the gzip member ends, the bytes are on the disk, and
/// only then the manifest says so.
final class ExportOutput {
    /// Rows between two such points; or time, where a search finds few.
    private static let (checkpointRows, checkpointTime) = (50_000, Duration.seconds(60))

    private let descriptor: Int32
    private let path: String?
    private(set) var manifest: ExportManifest
    private(set) var bytes: Int
    private var hash: SHA256
    private var encoder: GzipEncoder?
    private var written: (rows: Int, position: EventPosition?)
    private var lastCheckpoint = ContinuousClock.now

    private init(_ descriptor: Int32, path: String?, manifest: ExportManifest, hash: SHA256, position: EventPosition? = nil) {
        self.descriptor = descriptor
        self.path = path
        self.manifest = manifest
        self.hash = hash
        bytes = manifest.bytes
        written = (manifest.rows, position)
    }

    deinit {
        if path != nil { close(descriptor) }
    }

    /// Where to go on; nil at the beginning.
    var position: EventPosition? { written.position }

    static func standard(_ settings: ExportManifest.Settings) -> ExportOutput {
        ExportOutput(STDOUT_FILENO, path: nil, manifest: empty(settings), hash: SHA256())
    }

    static func creating(_ path: String, _ settings: ExportManifest.Settings) throws -> ExportOutput {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw errno == EEXIST
                ? Failure("\(path) is there already: --resume goes on with it", exitCode: Failure.askedWrongly)
                : Failure("\(path) cannot be made: \(String(cString: strerror(errno)))", exitCode: Failure.askedWrongly)
        }
        let output = ExportOutput(descriptor, path: path, manifest: empty(settings), hash: SHA256())
        try output.manifest.write(ExportManifest.path(beside: path))
        return output
    }

    static func resuming(_ path: String, _ settings: ExportManifest.Settings) throws -> ExportOutput {
        let manifest = try ExportManifest.read(ExportManifest.path(beside: path))
        guard manifest.settings.isLike(settings) else {
            throw Failure("\(path) was begun with other options, which its manifest tells: give the same", exitCode: Failure.askedWrongly)
        }
        let reshaped = manifest.settings.reshaped(in: settings)
        guard reshaped.isEmpty || manifest.complete else {
            let names = reshaped.joined(separator: ", ")
            throw Failure(
                "\(path) would be of two shapes: since it was begun fields were renamed or changed (\(names)); begin again with another file"
            )
        }
        let position = try manifest.last.map(Self.position)
        // Without a place every row would come once more.
        guard position != nil || manifest.rows == 0 else { throw Failure("the manifest of \(path) says of no place where to go on") }
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure("\(path) cannot be opened: \(String(cString: strerror(errno)))") }
        let output = ExportOutput(descriptor, path: path, manifest: manifest, hash: SHA256(), position: position)
        try output.readAgain()
        return output
    }

    private static func empty(_ settings: ExportManifest.Settings) -> ExportManifest {
        ExportManifest(settings: settings, rows: 0, bytes: 0, sha256: hex(SHA256()), last: nil, complete: false)
    }

    /// - Parameters:
    ///   - rows: in the file, with these.
    ///   - position: behind the last of them, or further.
    func write(_ text: [UInt8], rows: Int, position: EventPosition?) throws {
        if manifest.settings.gzip, encoder == nil { encoder = try GzipEncoder() }
        try append(encoder?.encode(text) ?? text)
        written = (rows, position)
        if rows - manifest.rows >= Self.checkpointRows || ContinuousClock.now - lastCheckpoint >= Self.checkpointTime {
            try checkpoint(complete: false)
        }
    }

    func finish() throws {
        try checkpoint(complete: true)
    }

    private func checkpoint(complete: Bool) throws {
        if let encoder { try append(encoder.finish()) }
        encoder = nil
        manifest.rows = written.rows
        lastCheckpoint = .now
        guard let path else { return }
        guard fsync(descriptor) == 0 else { throw Failure("\(path) could not be brought to the disk: \(String(cString: strerror(errno)))") }
        manifest.bytes = bytes
        manifest.sha256 = Self.hex(hash)
        manifest.last = written.position.map { .init(microsecondsSince1970: $0.occurredAt.microsecondsSince1970, id: $0.id.description) }
        manifest.complete = complete
        try manifest.write(ExportManifest.path(beside: path))
    }

    private func append(_ piece: [UInt8]) throws {
        hash.update(data: piece)
        bytes += piece.count
        var rest = piece[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Failure("\(path ?? "the output") could not be written: \(String(cString: strerror(errno)))") }
            rest = rest.dropFirst(count)
        }
    }

    /// What the manifest speaks of must be there, as it was; what is behind it is cut off.
    private func readAgain() throws {
        guard let path else { return }
        var left = manifest.bytes
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while left > 0 {
            let count = read(descriptor, &buffer, min(left, buffer.count))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            hash.update(data: buffer.prefix(count))
            left -= count
        }
        guard left == 0, Self.hex(hash) == manifest.sha256 else {
            throw Failure("\(path) is not what its manifest says: begin again with another file")
        }
        guard manifest.complete || ftruncate(descriptor, off_t(manifest.bytes)) == 0 else {
            throw Failure("\(path) could not be cut to its last whole row: \(String(cString: strerror(errno)))")
        }
    }

    private static func hex(_ hash: SHA256) -> String {
        hash.finalize().map { byte in
            let digits = String(byte, radix: 16)
            return digits.count < 2 ? "0" + digits : digits
        }.joined()
    }

    private static func position(_ last: ExportManifest.Position) throws -> EventPosition {
        guard let id = EventID(last.id) else { throw Failure("the manifest's `last` has no event's id: \(last.id)") }
        return EventPosition(occurredAt: Timestamp(microsecondsSince1970: last.microsecondsSince1970), id: id)
    }
}
