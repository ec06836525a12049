package import EventCore
package import EventStore

/// Brings PrivLog's rows in, by the same lanes as events that are sent: read with the source's schema, bad ones to quarantine.
///
/// It may be run again at any time, also after it was interrupted: an event is known by its content.
package struct PrivLogImporter: Sendable {
    /// What became of the file's rows.
    package struct Summary: Sendable, Equatable {
        package var rows = 0
        /// Stored now.
        package var accepted = 0
        /// There already, or twice in the file.
        package var duplicates = 0
        package var quarantined = 0
        /// By the reason's code.
        package var reasons: [String: Int] = [:]
        /// The last row that was written.
        package var lastID: Int64 = 0
    }

    /// Not all rows could be written; those before are.
    package struct Interrupted: Error, CustomStringConvertible {
        package let description: String
        package let summary: Summary
    }

    private static let patience = Duration.seconds(60)
    private static let mostBytes = 1 << 20

    private let file: PrivLogFile
    private let lanes: Lanes
    private let source: Source
    private let window: AcceptanceWindow

    /// - Parameters:
    ///   - source: takes the rows, as if its sender were the SAP client.
    ///   - retentionDays: older rows go to quarantine.
    package init(_ file: PrivLogFile, lanes: Lanes, source: Source, retentionDays: Int, now: Timestamp = .now()) {
        self.file = file
        self.lanes = lanes
        self.source = source.behaving(as: .privilegesWebhook)
        window = AcceptanceWindow(now: now, retentionDays: retentionDays)
    }

    /// - Parameter progress: gets the counts so far, after each batch.
    package func run(_ progress: (Summary) -> Void) async throws -> Summary {
        var summary = Summary()
        var mapper = RecordMapper()
        while true {
            let rows = try file.rows(after: summary.rows == 0 ? .min : summary.lastID, limit: 500)
            guard let last = rows.last else { return summary }
            let records = rows.map { write($0, &mapper) }
            do {
                // A batch takes at most a megabyte of long rows at a time.
                for batch in Self.batches(records, of: rows) {
                    let bodies = rows[batch].map(\.record)
                    let outcomes = try await lanes.submit(
                        Array(records[batch]),
                        tenant: source.tenant,
                        deadline: .now + Self.patience,
                        body: { bodies[$0] }
                    )
                    for outcome in outcomes { try summary.count(outcome) }
                }
            } catch {
                throw Interrupted(description: "\(error)", summary: summary)
            }
            summary.rows += rows.count
            summary.lastID = last.id
            progress(summary)
        }
    }

    private func write(_ row: PrivLogRow, _ mapper: inout RecordMapper) -> WriteRecord {
        let result: Result<AcceptedEvent, Rejection> =
            row.record.count > Self.mostBytes
            ? .failure(Rejection(.tooLarge, "a record is larger than \(Self.mostBytes) bytes"))
            : mapper.accept(row.record, from: source, receivedAt: window.now, window: window)
        switch result {
        case .success(let event): return .event(event)
        case .failure(let rejection):
            return .quarantine(
                QuarantinedRecord(
                    tenant: source.tenant,
                    source: source.id,
                    versionNumber: source.schema?.versionNumber,
                    receivedAt: window.now,
                    reason: QuarantineReason(rejection),
                    body: row.record
                )
            )
        }
    }

    private static func batches(_ records: [WriteRecord], of rows: [PrivLogRow]) -> [Range<Int>] {
        var batches: [Range<Int>] = []
        var (start, bytes) = (0, 0)
        for (place, row) in rows.enumerated() {
            if bytes > 0, bytes + row.record.count > mostBytes {
                batches.append(start..<place)
                (start, bytes) = (place, 0)
            }
            bytes += row.record.count
        }
        batches.append(start..<rows.count)
        return batches
    }
}

/// A bad row has no place left to wait in.
private struct QuarantineFull: Error, CustomStringConvertible {
    let description = "the tenant's quarantine is full"
}

extension PrivLogImporter.Summary {
    fileprivate mutating func count(_ outcome: WriteOutcome) throws {
        switch outcome {
        case .accepted: accepted += 1
        case .duplicate: duplicates += 1
        case .quarantined(let reason):
            quarantined += 1
            reasons[reason.code, default: 0] += 1
        case .quarantineFull: throw QuarantineFull()
        }
    }
}
