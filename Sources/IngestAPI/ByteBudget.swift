import EventCore
import Synchronization

/// Bytes that may be in memory for one purpose at the same moment; a tenant gets a quarter of them.
final class ByteBudget: Sendable {
    private let bytes: Int
    private let taken = Mutex<[TenantID: Int]>([:])

    init(_ bytes: Int) {
        self.bytes = bytes
    }

    /// False when there are not so many left, or not for this tenant; then none is taken.
    func take(_ wanted: Int, for tenant: TenantID) -> Bool {
        taken.withLock { taken in
            let own = taken[tenant, default: 0] + wanted
            guard own <= bytes / 4, taken.values.reduce(wanted, +) <= bytes else { return false }
            taken[tenant] = own
            return true
        }
    }

    func give(_ given: Int, of tenant: TenantID) {
        taken.withLock { taken in
            let left = taken[tenant, default: 0] - given
            taken[tenant] = left > 0 ? left : nil
        }
    }
}
