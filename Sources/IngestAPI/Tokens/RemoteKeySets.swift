import Access
import Logging
import Synchronization

/// The key sets that issuers publish, each fetched by one task at a time and kept (`KeySetSchedule`).
final class RemoteKeySets: KeySetLookup {
    struct Unavailable: Error {}

    private struct Entry {
        var schedule = KeySetSchedule()
        var keys: IssuerKeySet?
        var fetching: Task<IssuerKeySet, any Error>?
    }

    private enum Found {
        case keys(IssuerKeySet)
        case fetching(Task<IssuerKeySet, any Error>)
        case unavailable
    }

    private static let capacity = 10_000

    private let fetch: @Sendable (KeySetAddress) async throws -> IssuerKeySet
    private let now: @Sendable () -> ContinuousClock.Instant
    private let logger: Logger
    private let entries = Mutex<[KeySetAddress: Entry]>([:])

    convenience init(_ download: KeySetDownload, logger: Logger) {
        self.init(logger: logger) { try await download.fetch($0) }
    }

    init(
        logger: Logger,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        fetch: @escaping @Sendable (KeySetAddress) async throws -> IssuerKeySet
    ) {
        self.logger = logger
        self.now = now
        self.fetch = fetch
    }

    func keySet(at address: KeySetAddress, holding keyID: String) async throws -> IssuerKeySet {
        let now = now()
        let found = entries.withLock { entries -> Found in
            var entry = entries[address] ?? Entry()
            let step = entry.schedule.step(now: now, hasKey: entry.keys?.contains(keyID) ?? false)
            defer { entries[address] = entry }
            switch (step, entry.keys) {
            case (.use, .some(let keys)): return .keys(keys)
            case (.useAndRefresh, .some(let keys)):
                if entry.fetching == nil { entry.fetching = begin(&entry, address, now) }
                return .keys(keys)
            case (.unavailable, _): return entry.fetching.map(Found.fetching) ?? .unavailable
            default:
                let task = entry.fetching ?? begin(&entry, address, now)
                entry.fetching = task
                return .fetching(task)
            }
        }
        switch found {
        case .keys(let keys): return keys
        case .fetching(let task): return try await task.value
        case .unavailable: throw Unavailable()
        }
    }

    private func begin(_ entry: inout Entry, _ address: KeySetAddress, _ now: ContinuousClock.Instant) -> Task<IssuerKeySet, any Error> {
        entry.schedule.begin(now: now)
        return Task { try await self.run(address, begunAt: now) }
    }

    private func run(_ address: KeySetAddress, begunAt: ContinuousClock.Instant) async throws -> IssuerKeySet {
        do {
            let keys = try await fetch(address)
            finish(address, begunAt: begunAt, keys: keys)
            return keys
        } catch {
            logger.warning(
                "An issuer's key set could not be fetched",
                metadata: ["host": "\(address.host)", "error": "\((error as? KeySetDownload.Failed)?.description ?? "\(type(of: error))")"]
            )
            finish(address, begunAt: begunAt, keys: nil)
            throw error
        }
    }

    private func finish(_ address: KeySetAddress, begunAt: ContinuousClock.Instant, keys: IssuerKeySet?) {
        entries.withLock { entries in
            entries[address]?.fetching = nil
            entries[address]?.schedule.finish(begunAt: begunAt, isSuccess: keys != nil)
            if let keys { entries[address]?.keys = keys }
            // Addresses come from registrations; those of removed ones go when there are many.
            if entries.count > Self.capacity { entries = entries.filter { $0.value.fetching != nil } }
        }
    }
}
