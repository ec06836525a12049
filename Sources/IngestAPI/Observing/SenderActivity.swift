import EventCore
import EventStore
import Synchronization

/// When each source was heard of since it was last asked: a few atomic writes a request, told to the database twice a minute.
final class SenderActivity: Sendable {
    static let maximumSources = 5_000

    private struct Key: Hashable {
        let tenant: TenantID
        let source: SourceID
    }

    private final class Marks: Sendable {
        let key: Key
        let first = Atomic<Int64>(0)
        let last = Atomic<Int64>(0)
        let count = Atomic<Int>(0)

        init(_ key: Key) {
            self.key = key
        }
    }

    private let sources = SlotTable<Key, Marks>(maximum: maximumSources)

    /// A record of this source was read; an unknown source has no number.
    func hear(_ source: Source, at time: Timestamp) {
        guard source.id.rawValue > 0 else { return }
        let key = Key(tenant: source.tenant, source: source.id)
        guard let marks = sources.value(for: key, make: { Marks(key) }) else { return }
        let now = time.microsecondsSince1970
        marks.last.max(now, ordering: .relaxed)
        _ = marks.first.compareExchange(expected: 0, desired: now, ordering: .relaxed)
        marks.count.add(1, ordering: .relaxed)
    }

    /// What was heard since the last call. A request that comes meanwhile is in this one or in the next.
    func take() -> [HeardSource] {
        sources.values.compactMap { marks in
            let count = marks.count.exchange(0, ordering: .relaxed)
            guard count > 0 else { return nil }
            let first = marks.first.exchange(0, ordering: .relaxed)
            let last = marks.last.load(ordering: .relaxed)
            return HeardSource(
                tenant: marks.key.tenant,
                source: marks.key.source,
                first: Timestamp(microsecondsSince1970: first > 0 ? min(first, last) : last),
                last: Timestamp(microsecondsSince1970: last),
                count: count
            )
        }
    }
}
