import Configuration

/// What PrivLog was told by its environment, and what it could not be told.
struct PrivLogSettings: Sendable {
    /// Nil: the bare path needs a credential, like any other.
    var opened: OpenPrivileges.Settings?
    /// `disk_free_gb` is in `/health`.
    var showsFreeSpace: Bool
    /// Less is `low`.
    var minimumFreeGB: Double
    /// Nil: logs go to standard error.
    var logFolder: String?

    init(_ config: ConfigReader) throws {
        opened = try Self.opened(
            source: config.string(forKey: "open.privileges.source"),
            networks: config.string(forKey: "open.privileges.networks")
        )
        showsFreeSpace = ["true", "1", "yes", "on"].contains(config.string(forKey: "health.output.diskspace", default: "").lowercased())
        let minimum = config.string(forKey: "health.min.free.gb", default: "1")
        guard let gigabytes = Double(minimum), gigabytes.isFinite, gigabytes >= 0 else {
            throw APIConfiguration.Invalid(description: "HEALTH_MIN_FREE_GB is a number of gigabytes, like 1 or 0.5")
        }
        minimumFreeGB = gigabytes
        logFolder = config.string(forKey: "log.dir").flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func opened(source: String?, networks: String?) throws -> OpenPrivileges.Settings? {
        guard let source, !source.isEmpty else { return nil }
        let slugs = source.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard slugs.count == 2, slugs.allSatisfy({ !$0.isEmpty }) else {
            throw APIConfiguration.Invalid(description: "OPEN_PRIVILEGES_SOURCE is tenant/source, like acme/mac-fleet")
        }
        let texts = (networks ?? "").split { $0 == "," || $0 == " " }.map(String.init)
        let parsed = texts.compactMap(Network.init)
        guard !texts.isEmpty, parsed.count == texts.count else {
            throw APIConfiguration.Invalid(
                description: """
                    OPEN_PRIVILEGES_SOURCE opens a path to senders without a credential: OPEN_PRIVILEGES_NETWORKS must say which, like \
                    10.0.0.0/8,2001:db8::/32
                    """
            )
        }
        return OpenPrivileges.Settings(tenant: slugs[0], source: slugs[1], networks: parsed)
    }
}
