import CZlib

/// Why a body is not the gzip it is said to be.
enum GzipError: Error, Sendable, Equatable {
    /// Not gzip, a wrong checksum, cut before its end, or bytes after it.
    case corrupt
    /// More than may come out.
    case tooLarge
}

/// Decompresses one gzip member (RFC 1952) piece by piece, at constant memory however much comes out.
struct GzipDecoder: ~Copyable {
    /// zlib keeps a pointer to its stream's address.
    private let stream: UnsafeMutablePointer<z_stream>
    private let window: UnsafeMutableBufferPointer<UInt8>
    private let maximumBytes: Int
    private var produced = 0
    private var isAtEnd = false

    /// - Parameter maximumBytes: of what may come out.
    init(maximumBytes: Int) throws(GzipError) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        window = .allocate(capacity: 64 * 1024)
        self.maximumBytes = maximumBytes
        guard sluice_inflate_init_gzip(stream) == Z_OK else { throw .corrupt }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        window.deallocate()
    }

    /// Takes the next piece and hands over what comes out of it, in pieces of at most 64 KiB.
    mutating func decode(_ input: UnsafeRawBufferPointer, _ output: (UnsafeBufferPointer<UInt8>) throws -> Void) throws {
        guard let base = input.bindMemory(to: UInt8.self).baseAddress, !input.isEmpty else { return }
        guard !isAtEnd, let count = UInt32(exactly: input.count) else { throw GzipError.corrupt }
        stream.pointee.next_in = UnsafeMutablePointer(mutating: base)
        stream.pointee.avail_in = count
        repeat {
            stream.pointee.next_out = window.baseAddress
            stream.pointee.avail_out = UInt32(window.count)
            let status = inflate(stream, Z_NO_FLUSH)
            let filled = window.count - Int(stream.pointee.avail_out)
            guard status == Z_OK || status == Z_STREAM_END || (status == Z_BUF_ERROR && filled == 0) else { throw GzipError.corrupt }
            produced += filled
            guard produced <= maximumBytes else { throw GzipError.tooLarge }
            if filled > 0 { try output(UnsafeBufferPointer(rebasing: window[..<filled])) }
            if status == Z_STREAM_END {
                isAtEnd = true
                guard stream.pointee.avail_in == 0 else { throw GzipError.corrupt }
                return
            }
            if status == Z_BUF_ERROR { return }
        } while stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0
    }

    /// The body has ended: so must the gzip have.
    func finish() throws(GzipError) {
        guard isAtEnd else { throw .corrupt }
    }
}
