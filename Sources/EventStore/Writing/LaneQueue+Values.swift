import EventCore

extension LaneQueue {
    struct Settings {
        var lanes = 3
        var maximumRecords = 20_000
        var maximumBytes = 32 << 20
        /// How much of the bounds one tenant may fill: 1 part in so many.
        var tenantDivisor = 2
        var batchRecords = 1_000
        /// While several tenants are about; also how much one may bring by then without being a flood.
        var sharedBatchRecords = 100
        /// Of a flood, while somebody is about who is none: at least, and `sharedBatchRecords` at most, which is no less.
        var pacedBatchRecords = 25
        /// How long a lane rests after such a batch, as a part of what it took; at most `longestRest`.
        var pacedRest = 0.25
        var longestRest = Duration.milliseconds(5)
        /// How long it rests after a small batch of several submissions: more come, and what comes until then goes together.
        var gatheringRest = Duration.microseconds(800)
        /// How long somebody else is about after a submission.
        var sharedFor = Duration.seconds(1)
        var batchBytes = 1 << 20
        /// So many waiting records are worth a transaction of their own beside those under way.
        var worthALane = 16
        /// More than that is no small batch; nor is one of `sharedBatchRecords`.
        var smallBytes = 64 << 10
        /// How long others wait for a small batch at most.
        var soonDone = Duration.milliseconds(5)
    }

    /// How much something is.
    struct Load: Equatable {
        var records = 0
        var bytes = 0

        init(records: Int = 0, bytes: Int = 0) {
            self.records = records
            self.bytes = bytes
        }

        init(_ records: ArraySlice<WriteRecord>) {
            self.init(records: records.count, bytes: records.reduce(0) { $0 + $1.size })
        }

        func isSmall(_ settings: Settings) -> Bool { records < settings.sharedBatchRecords && bytes < settings.smallBytes }

        static func += (left: inout Load, right: Load) {
            left.records += right.records
            left.bytes += right.bytes
        }

        static func -= (left: inout Load, right: Load) { left = left - right }

        static func - (left: Load, right: Load) -> Load {
            Load(records: left.records - right.records, bytes: left.bytes - right.bytes)
        }
    }

    /// What a lane is writing.
    struct Writing {
        let tenants: Set<TenantID>
        let load: Load
        let submissions: Int
        let isPaced: Bool
        let since: Instant

        init(_ batch: Batch, since: Instant) {
            tenants = batch.tenants
            load = batch.load
            submissions = batch.slices.count
            isPaced = batch.isPaced
            self.since = since
        }
    }

    /// Some records of one submission; their indices are those in the submission.
    struct Slice {
        let submission: SubmissionID
        let records: ArraySlice<WriteRecord>
    }

    struct Batch {
        var slices: [Slice] = []
        var load = Load()
        /// The latest of its submissions': each one's own is kept by `expire`.
        var deadline: Instant
        var tenants: Set<TenantID> = []
        /// A flood's, while somebody is about who is none: its lane rests after it.
        var isPaced = false
    }

    struct Settled {
        let submission: SubmissionID
        let record: Int
        let outcome: WriteOutcome
    }

    enum Action {
        case write(LaneID, Batch)
        case stop(LaneID)
        case succeed(SubmissionID, [WriteOutcome])
        case fail(SubmissionID, EngineError)
    }

    /// When a tenant last brought something.
    struct Sighting {
        let tenant: TenantID
        var seen: Instant
    }

    struct Submission {
        let tenant: TenantID
        let records: [WriteRecord]
        let bytes: Int
        let deadline: Instant
        let since: Instant
        var taken = 0
        var unsettled: Int
        var outcomes: [WriteOutcome]
    }

    struct Tenant {
        /// Of its submissions that are here.
        var load = Load()
        /// In how many lanes' batches it is.
        var lanes = 0
        /// Its submissions that are not wholly taken, oldest first; those before `head` are done with.
        var waiting: [SubmissionID] = []
        var head = 0

        var isForgettable: Bool { load.records == 0 && lanes == 0 && head == waiting.count }

        /// It has more under way than fits into a small batch.
        func isFlood(_ settings: Settings) -> Bool { load.records > settings.sharedBatchRecords }

        mutating func advance() {
            head += 1
            guard head == waiting.count || head >= 1_024 else { return }
            waiting.removeFirst(head)
            head = 0
        }
    }
}
