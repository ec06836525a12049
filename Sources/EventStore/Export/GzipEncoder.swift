import CZlib

/// Compresses into one gzip member (RFC 1952), piece by piece, at constant memory.
package final class GzipEncoder {
    package struct Failed: Error {}

    /// zlib keeps a pointer to its stream's address.
    private let stream: UnsafeMutablePointer<z_stream>
    private let window: UnsafeMutableBufferPointer<UInt8>

    package init() throws(Failed) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        window = .allocate(capacity: 64 * 1024)
        guard sluice_deflate_init_gzip(stream) == Z_OK else { throw Failed() }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
        window.deallocate()
    }

    /// What comes out of `input` so far; may be nothing.
    package func encode(_ input: [UInt8]) throws(Failed) -> [UInt8] {
        var output: [UInt8] = []
        var rest = input[...]
        // zlib counts with 32 bits.
        while !rest.isEmpty {
            let piece = rest.prefix(1 << 24)
            rest = rest.dropFirst(piece.count)
            try run(Array(piece), Z_NO_FLUSH, &output)
        }
        return output
    }

    /// The member's end; nothing may be encoded afterwards.
    package func finish() throws(Failed) -> [UInt8] {
        var output: [UInt8] = []
        try run([], Z_FINISH, &output)
        return output
    }

    private func run(_ input: [UInt8], _ flush: Int32, _ output: inout [UInt8]) throws(Failed) {
        var input = input
        let worked = input.withUnsafeMutableBufferPointer { bytes -> Bool in
            stream.pointee.next_in = bytes.baseAddress
            stream.pointee.avail_in = UInt32(clamping: bytes.count)
            repeat {
                stream.pointee.next_out = window.baseAddress
                stream.pointee.avail_out = UInt32(window.count)
                let status = deflate(stream, flush)
                guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else { return false }
                output.append(contentsOf: window[..<(window.count - Int(stream.pointee.avail_out))])
            } while stream.pointee.avail_out == 0
            return stream.pointee.avail_in == 0
        }
        guard worked else { throw Failed() }
    }
}
