import Access
import EventCore
import EventStore

extension SourceRecord {
    /// Tells on standard error what SAP Privileges' webhook would lose here: it takes any answer for success.
    func warnOfLostRefusals(tenant: String) {
        guard profile != .privilegesWebhook else { return }
        let mend =
            profile == .generic
            ? "sluice source update \(tenant) \(slug) --profile privileges-webhook"
            : "sluice source create \(tenant) NAME --profile privileges-webhook --schema …"
        Console.current.error(
            """
            \(slug) has the profile \(profile.rawValue), and a hook key: what cannot be stored is answered with an error. SAP Privileges takes \
            that for success, and the event is lost. For its webhook: \(mend)
            """
        )
    }
}

extension KeySummary {
    /// Takes events through the webhook's URL for this source, now or later.
    func isHook(for source: String) -> Bool {
        kind == .hook && self.source == source && revokedAt == nil && expiresAt.map { $0 > .now() } != false
    }
}
