import Postgres

extension Statements {
    /// Those of partitions, retention, erasure, backups and maintenance.
    static let lifeOfData: [any Statement.Type] = [
        ListPartitions.self, TenantsIn.self, ListRetention.self, DatabaseNow.self, KeepsRefused.self, CountExpiredRefused.self,
        CountExpiredIDs.self, MarkForPurge.self, DropDetached.self, PurgeExpired.self, TakeSessionLock.self, ReleaseSessionLock.self,
        ReadHold.self, LockUnheld.self, HoldTenant.self, EraseSubject.self, EraseRefused.self, EraseSender.self, BeginErasingTenant.self,
        EraseTenantRows.self,
        FinishErasingTenant.self, ListMaintenance.self, BeginMaintenance.self, FinishMaintenance.self, IdentifyDatabase.self,
        ExportSnapshot.self, RolesInUse.self, TablesWithRows.self, ClosedMonths.self, HasNothing.self, TenantTables.self,
    ]
}
