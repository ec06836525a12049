import EventCore
import Postgres

/// Every statement of the store, for the test that prepares each of them on a migrated database.
enum Statements {
    static let fixed: [any Statement.Type] = [
        SetTenant.self, LoginRights.self, FindKey.self, TenantSources.self, ReadReadiness.self, CursorSecret.self,
        InsertEvents.self, InsertClaimedEvents.self, ClaimIDs.self, FindClaims.self, KeepRefused.self, TransactionNumber.self,
        TransactionFate.self, EnsureMonth.self, EnsurePlannedMonths.self, SweepQuarantine.self, SweepRememberedIDs.self,
        RecordAct.self, InsertTenant.self, ListTenants.self, InsertSource.self, ListSources.self, UpdateSourceProfile.self,
        InsertKey.self, ListKeys.self, RevokeKey.self, SchemaVersions.self, PublishSchema.self, AdoptSchema.self, ListSlots.self,
        InsertSlot.self, DatabaseExists.self, CheckIsolation.self, ComingMonths.self, ServerClock.self, ServerSettings.self,
        GuardedTables.self,
        ApplicationRoles.self, TakeRole.self, PassAttempts.self, AttemptOutcomes.self, ListAudit.self,
        IssuerNames.self, FindIssuer.self, InsertIssuer.self, ListIssuers.self,
        DeleteIssuer.self,
        CurrentAccessEpoch.self, LegacyKeys.self, AddStoredEvents.self, NoteKeyUse.self, NoteKeySenders.self, RotateKey.self,
        ListKeySenders.self, InsertLegacyKey.self, CountLegacyKeys.self, UpdateTenant.self, SuspendTenant.self, StoredThisMonth.self,
    ]

    /// The texts of those that are composed, for every combination of their parts.
    static var composed: [Query] {
        let tenant = TenantID(rawValue: 1)
        let time = Timestamp.epoch
        let id = EventID(high: 0, low: 0)
        let pages = (0..<64).map { set -> Query in
            let has: (Int) -> Bool = { set & (1 << $0) != 0 }
            let filter = EventFilter(
                type: has(0) ? "t" : nil,
                actor: has(1) ? "a" : nil,
                machine: has(2) ? "m" : nil,
                source: has(3) ? "s" : nil
            )
            return SelectEvents(
                tenant: tenant,
                filter: filter,
                window: time..<time.next,
                after: has(4) ? EventPosition(occurredAt: time, id: id) : nil,
                id: has(5) ? id : nil,
                limit: 1
            ).query
        }
        return pages + [FindTenant(slug: "s").query, FindTenant(slug: "s", locking: true).query]
    }
}
