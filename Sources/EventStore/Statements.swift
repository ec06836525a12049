import EventCore
import Postgres

/// Every statement of the store, for the test that prepares each of them on a migrated database.
enum Statements {
    static let fixed: [any Statement.Type] =
        [
            SetTenant.self, SetTenantAndPlanByIndex.self, SetTenantAndKeepPlan.self, LoginRights.self, FindKey.self, TenantSources.self,
            ReadReadiness.self,
            CursorSecret.self,
            InsertEvents.self, InsertClaimedEvents.self, ClaimIDs.self, FindClaims.self, KeepRefused.self, EnterLane.self,
            TransactionFate.self, EnsureMonth.self, EnsurePlannedMonths.self, SweepQuarantine.self, SweepRememberedIDs.self,
            RecordAct.self, InsertTenant.self, ListTenants.self, InsertSource.self, ListSources.self, UpdateSource.self,
            FindRefusedOf.self, ReleaseRevokedKeys.self, DeleteSource.self,
            InsertKey.self, ListKeys.self, RevokeKey.self, SchemaVersions.self, ListSchemas.self, LockSchemas.self, PublishSchema.self,
            UnfilledSchemas.self,
            SchemaRoom.self, AwaitsFirstSchema.self, ListSlots.self, ReleaseRefused.self, ExplainRefused.self, CallRecordAct.self,
            SelectRehearsed.self,
            SchemaDocuments.self, NewestDocument.self, SchemaNumbers.self, SelectUnfilled.self,
            FillSlots.self, EventSpan.self, ListSlotFills.self, NoteSlotFill.self,
            DatabaseExists.self, CheckIsolation.self, CheckSQLAccess.self, ComingMonths.self, ServerClock.self, ServerSettings.self,
            GuardedTables.self,
            ApplicationRoles.self, TakeRole.self, PassAttempts.self, AttemptOutcomes.self, ListAudit.self,
            CountSourceEvents.self, FindSource.self, HasEvents.self,
            AllClientAuthorities.self, ListClientAuthorities.self, UpsertClientAuthority.self, OtherClientAuthorities.self,
            DeleteClientAuthority.self, IssuerNames.self, FindIssuer.self, InsertIssuer.self, ListIssuers.self,
            DeleteIssuer.self, OperationsFigures.self, NoteActivity.self, ListActivity.self,
            CurrentAccessEpoch.self, LegacyKeys.self, AddStoredEvents.self, NoteKeyUse.self, NoteKeySenders.self, RotateKey.self,
            ListKeySenders.self, InsertLegacyKey.self, CountLegacyKeys.self, UpdateTenant.self, SuspendTenant.self, StoredThisMonth.self,
        ] + lifeOfData + sqlAccess

    /// The texts of those that are composed, for every combination of their parts.
    static var composed: [Query] {
        let tenant = TenantID(rawValue: 1)
        let time = Timestamp.epoch
        let id = EventID(high: 0, low: 0)
        let pages = (0..<256).map { set -> Query in
            let has: (Int) -> Bool = { set & (1 << $0) != 0 }
            let filter = EventFilter(
                type: has(0) ? "t" : nil,
                actor: has(1) ? "a" : nil,
                machine: has(2) ? "m" : nil,
                source: has(3) ? "s" : nil,
                order: has(6) ? .oldestFirst : .newestFirst
            )
            return SelectEvents(
                tenant: tenant,
                filter: filter,
                window: time..<time.next,
                after: has(4) ? EventPosition(occurredAt: time, id: id) : nil,
                id: has(5) ? id : nil,
                isWide: has(7),
                limit: 1
            ).query
        }
        let received = [nil, ReceivedPosition(receivedAt: time, id: id)].map { after in
            SelectReceived(tenant: tenant, oldest: time, since: time, after: after, limit: 1).query
        }
        let places: [SchemaHistory.FieldQuery.Place] =
            (1...AcceptedEvent.slotCount).map { .slot($0, "v") }
            + [.stored(versions: [1], name: "f", json: "1"), .versions([1])]
            + [true, false].flatMap { isTime in
                [true, false].map { .compared(versions: [1], name: "f", isTime: isTime, isLeast: $0, text: "1") }
            }
        let fields = ([[], places] + places.map { [$0] }).flatMap { places in
            [false, true].map { isWide -> Query in
                let filter = EventFilter()
                var query = SelectEvents(
                    tenant: tenant,
                    filter: filter,
                    window: time..<time.next,
                    fields: [places],
                    isWide: isWide,
                    limit: 1
                ).query
                query.name = query.name ?? "select_events.places"
                return query
            }
        }
        let refused = (0..<256).map { set -> Query in
            let has: (Int) -> Bool = { set & (1 << $0) != 0 }
            return SelectQuarantine(
                tenant: tenant,
                filter: QuarantineFilter(
                    reason: has(0) ? "r" : nil,
                    source: has(1) ? "s" : nil,
                    from: has(2) ? time : nil,
                    to: has(3) ? time : nil,
                    id: has(4) ? QuarantineNumber(high: 0, low: 0) : nil
                ),
                order: has(5) ? .oldestFirst : .newestFirst,
                after: has(6) ? EventPosition(occurredAt: time, id: id) : nil,
                withBody: has(7),
                limit: 1
            ).query
        }
        // Not every choice changes the text; another text under the same name would not prepare.
        var seen: Set<[String]> = []
        let events = (pages + fields).filter { seen.insert([$0.name ?? "", $0.sql]).inserted }
        return events + received + refused + [FindTenant(slug: "s").query, FindTenant(slug: "s", locking: true).query]
    }
}
