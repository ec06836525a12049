import EventCore
import EventStore
import HTTPTypes
import Hummingbird
import NIOCore
import Postgres
import Synchronization
import Testing

@testable import IngestAPI

@Suite struct IngestBodyTests {
    /// Pieces that are there at once: who reads them never waits.
    private final class Pieces: Sendable {
        private let all: [ByteBuffer]
        private let count = Atomic(0)

        init(_ all: [ByteBuffer]) { self.all = all }

        var taken: Int { count.load(ordering: .relaxed) }

        func next() -> ByteBuffer? {
            let at = taken
            guard at < all.count else { return nil }
            count.store(at + 1, ordering: .relaxed)
            return all[at]
        }
    }

    /// Blank space, and a record that is never written.
    private func body(bytes: Int) -> [UInt8] { Array(repeating: UInt8(ascii: " "), count: bytes - 2) + Array("{}".utf8) }

    private func read(_ pieces: Pieces, gzip: Bool) async throws {
        let request = Request(
            head: HTTPRequest(method: .post, scheme: "http", authority: "localhost", path: "/v1/events"),
            body: RequestBody(asyncSequence: AsyncStream(unfolding: { pieces.next() }))
        )
        let source = Source(id: SourceID(rawValue: 1), tenant: TenantID(rawValue: 1), slug: "default", profile: .generic, schema: nil)
        let now = Timestamp.now()
        var intake = Intake(
            context: Intake.Context(
                source: source,
                isUnknownSource: false,
                receivedAt: now,
                requestDeadline: .seconds(10),
                rejectsInvalid: false
            ),
            reader: RecordReader(
                framing: .any,
                source: source,
                receivedAt: now,
                window: AcceptanceWindow(now: now, retentionDays: 30),
                maximumRecordBytes: 1 << 20
            ),
            lanes: Lanes(try ConnectionConfiguration(url: "host=/nowhere dbname=none")),
            isAbandoned: { false }
        )
        var body = IngestBody(
            kind: try ContentKind(type: "application/json", encoding: gzip ? "gzip" : nil, anyType: false),
            limits: IngestRoutes.Limits(
                requestDeadline: .seconds(10),
                maximumBody: 64 << 20,
                maximumDecompressed: 64 << 20,
                maximumRecord: 1 << 20
            ),
            keepsBeginning: false
        )
        try await body.read(request, into: &intake)
        #expect(intake.tally.received == 1)
    }

    /// Every 256 KiB: four pieces of 64 KiB, or the first one of gzip, in which that is some 250 bytes.
    @Test(arguments: [(gzip: false, pieceSize: 64 << 10, turn: 4), (true, 512, 1)])
    func givesOthersATurnWhileItReadsWhatIsNotWritten(gzip: Bool, pieceSize: Int, turn: Int) async throws {
        var bytes = body(bytes: 4 << 20)
        if gzip {
            let encoder = try GzipEncoder()
            bytes = try encoder.encode(bytes) + encoder.finish()
        }
        let pieces = Pieces(
            stride(from: 0, to: bytes.count, by: pieceSize).map { ByteBuffer(bytes: bytes[$0..<min($0 + pieceSize, bytes.count)]) }
        )
        let executor = ThreadExecutor()
        defer { executor.stop() }
        try await withTaskExecutorPreference(executor) {
            // It has the same thread, so it runs when the reader first lets go of that.
            async let taken = pieces.taken
            try await read(pieces, gzip: gzip)
            #expect(await taken == turn)
        }
        #expect(pieces.taken > turn)
    }
}
