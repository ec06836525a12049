import Synchronization

/// The engine's bounds.
package struct LaneSettings: Sendable {
    /// Each has a connection of its own. One tenant gets all but one of them.
    package var lanes: Int
    /// How much may wait, of all tenants together; one tenant gets half.
    package var maximumWaitingRecords: Int
    package var maximumWaitingBytes: Int

    package init(lanes: Int = 3, maximumWaitingRecords: Int = 20_000, maximumWaitingBytes: Int = 32 << 20) {
        precondition(lanes > 0, "there is at least one lane")
        self.lanes = lanes
        self.maximumWaitingRecords = maximumWaitingRecords
        self.maximumWaitingBytes = maximumWaitingBytes
    }

    var queue: LaneQueue.Settings {
        LaneQueue.Settings(lanes: lanes, maximumRecords: maximumWaitingRecords, maximumBytes: maximumWaitingBytes)
    }
}

/// Numbers about the engine; all but the first four count from its start.
package struct LaneStatistics: Sendable, Equatable {
    /// In submissions that are not answered yet.
    package internal(set) var waitingRecords = 0
    package internal(set) var waitingBytes = 0
    /// How long the oldest of them has been here.
    package internal(set) var oldestWaiting = Duration.zero
    package internal(set) var connections = 0
    package internal(set) var batches = 0
    package internal(set) var batchSizes = BatchSizes()
    package internal(set) var accepted = 0
    package internal(set) var duplicates = 0
    package internal(set) var quarantined = 0
    /// Transactions that were tried again: deadlocks, lost connections.
    package internal(set) var retries = 0
    /// Records that were turned away because another transaction held their row.
    package internal(set) var held = 0
    /// COMMITs whose reply was lost.
    package internal(set) var lostReplies = 0

    mutating func count(_ settled: [LaneQueue.Settled]) {
        for one in settled {
            switch one.outcome {
            case .accepted: accepted += 1
            case .duplicate: duplicates += 1
            case .quarantined: quarantined += 1
            case .quarantineFull: break
            }
        }
    }
}

extension LaneStatistics {
    /// How many records batches had.
    package struct BatchSizes: Sendable, Equatable {
        /// Upper bounds; the last range has none.
        package static let bounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
        /// Batches of each range.
        package private(set) var counts = [Int64](repeating: 0, count: bounds.count + 1)
        package private(set) var records = 0

        mutating func add(_ size: Int) {
            counts[Self.bounds.firstIndex { size <= $0 } ?? Self.bounds.count] += 1
            records += size
        }
    }
}

/// The numbers that all lanes add to.
final class LaneCounters: Sendable {
    private let state = Mutex(LaneStatistics())

    var statistics: LaneStatistics { state.withLock { $0 } }

    func count(_ change: (inout LaneStatistics) -> Void) {
        state.withLock { change(&$0) }
    }
}
