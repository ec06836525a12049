/// A limit that a request met.
package struct LimitRefusal: Sendable, Equatable {
    package let limit: TenantLimits.Name
    package let quota: Int
    /// Seconds, at least 1.
    package let retryAfter: Int
    /// The time the quota is for; nil for what holds at each moment.
    package let window: Duration?
}
