package import EventCore

/// What a retention run is to do: decided from facts alone, the same for the preview and the run.
package struct RetentionPlan: Sendable, Equatable {
    /// A tenant's expired rows in a month that others still need.
    package struct Deletion: Sendable, Equatable {
        let tenant: TenantID
        /// Its slug, or its number when it is no more.
        package let name: String
        package let month: String
        let window: Range<Timestamp>
    }

    package let asOf: Timestamp
    /// Months that go whole.
    package let drops: [PartitionRecord]
    package let deletions: [Deletion]
    /// Tenants whose rows stay whatever their age.
    package let held: [TenantRetention]
    /// Months that an earlier run left half-way.
    let unfinished: [PartitionRecord]

    init(_ facts: RetentionFacts) {
        asOf = facts.now
        held = facts.tenants.values.filter { $0.heldAt != nil }.sorted { $0.slug < $1.slug }
        unfinished = facts.months.map(\.partition).filter { $0.state == .detaching || $0.state == .purging }
        // Months that are made ahead are never dropped: they would only be made again.
        let firstPlanned = Month(of: facts.now).start(monthsBack: 1)
        var drops: [PartitionRecord] = []
        var deletions: [Deletion] = []
        for month in facts.months where month.partition.state == .attached {
            let mayGo = month.partition.since < firstPlanned
            guard month.partition.parent == .events else {
                if mayGo, !month.keepsRefused { drops.append(month.partition) }
                continue
            }
            if mayGo, facts.needing(month).isEmpty {
                drops.append(month.partition)
                continue
            }
            deletions += month.present.compactMap { Self.deletion(of: $0.tenant, oldest: $0.oldest, in: month.partition, facts) }
        }
        self.drops = drops
        self.deletions = deletions
    }

    private static func deletion(
        of id: TenantID,
        oldest: Timestamp,
        in partition: PartitionRecord,
        _ facts: RetentionFacts
    ) -> Deletion? {
        let tenant = facts.tenants[id]
        guard tenant?.heldAt == nil else { return nil }
        let end = min(partition.until, tenant?.horizon(at: facts.now) ?? partition.until)
        guard oldest < end, partition.since < end else { return nil }
        return Deletion(tenant: id, name: tenant?.slug ?? "#\(id)", month: partition.name, window: partition.since..<end)
    }
}
