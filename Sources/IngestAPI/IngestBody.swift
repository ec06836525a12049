import EventCore
import EventStore
import HTTPTypes
import Hummingbird
import NIOCore

/// A request's body: bounded, decompressed if need be, and fed to an intake piece by piece.
struct IngestBody {
    private let kind: ContentKind
    private let limits: IngestRoutes.Limits
    private let keepsBeginning: Bool
    private var received = 0
    /// The body's first bytes, uncompressed, at most a record's size: kept in case it is no records at all.
    private(set) var beginning: [UInt8] = []
    /// There was more than `beginning` holds.
    private(set) var isCut = false
    /// Since others had a turn; of gzip what came and what came out.
    private var fedSinceTurn = 0

    init(kind: ContentKind, limits: IngestRoutes.Limits, keepsBeginning: Bool) {
        self.kind = kind
        self.limits = limits
        self.keepsBeginning = keepsBeginning
    }

    /// Says so before the body comes, where its length is known.
    func refuseIfTooLarge(_ request: Request) throws {
        if let length = request.statedLength, length > limits.maximumBody { throw Self.tooLarge }
    }

    /// - Throws: `Rejection` for a body that is no records, `Problem` for one that is too large or no gzip, `EngineError`.
    mutating func read(_ request: Request, into intake: inout Intake) async throws {
        guard kind.isGzip else {
            for try await piece in request.body {
                try count(piece)
                try piece.withUnsafeReadableBytes { try feed($0.bindMemory(to: UInt8.self), to: &intake) }
                try await intake.flush(all: false)
                await giveOthersATurn()
            }
            return try intake.finish()
        }
        var decoder = try GzipDecoder(maximumBytes: limits.maximumDecompressed)
        for try await piece in request.body {
            try count(piece)
            var input = piece
            // What comes out may be a thousand times as long: written in between, at most 256 KiB of it are in memory as records.
            while let part = input.readSlice(length: min(input.readableBytes, 256)), part.readableBytes > 0 {
                try decode(part, with: &decoder, into: &intake)
                try await intake.flush(all: false)
                await giveOthersATurn()
            }
        }
        do {
            try decoder.finish()
        } catch {
            throw Self.notGzip
        }
        try intake.finish()
    }

    /// What is read without being written never waits, and would keep its thread until the body's end.
    private mutating func giveOthersATurn() async {
        guard fedSinceTurn >= 256 << 10 else { return }
        fedSinceTurn = 0
        await Task.yield()
    }

    private mutating func decode(_ part: ByteBuffer, with decoder: inout GzipDecoder, into intake: inout Intake) throws {
        fedSinceTurn += part.readableBytes
        do {
            try part.withUnsafeReadableBytes { bytes in
                try decoder.decode(bytes) { try feed($0, to: &intake) }
            }
        } catch let error as GzipError {
            throw error == .tooLarge ? Self.tooLarge : Self.notGzip
        }
    }

    private mutating func feed(_ bytes: UnsafeBufferPointer<UInt8>, to intake: inout Intake) throws {
        if keepsBeginning, !isCut {
            isCut = beginning.count + bytes.count > limits.maximumRecord
            beginning.append(contentsOf: bytes.prefix(limits.maximumRecord - beginning.count))
        }
        fedSinceTurn += bytes.count
        try intake.feed(bytes)
    }

    private mutating func count(_ piece: ByteBuffer) throws {
        received += piece.readableBytes
        guard received <= limits.maximumBody else { throw Self.tooLarge }
    }

    private static let tooLarge = Problem(
        .contentTooLarge,
        .tooLarge,
        "The body is larger than this server takes, as it is or uncompressed.",
        headers: [.connection: "close"]
    )
    private static let notGzip = Problem(
        .badRequest,
        .invalidGzip,
        "The body is not one whole gzip member.",
        headers: [.connection: "close"]
    )
}
