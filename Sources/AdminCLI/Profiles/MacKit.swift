/// The Mac kit, `client/macos/`, compiled in: its Fluent Bit configuration filled in for one source.
struct MacKit: Sendable {
    /// Where the kit's installer puts the logger.
    static let loggerPath = "/usr/local/bin/privileges_local_logger.sh"
    private static let configurationName = "fluent-bit.conf"

    let address: ServerAddress
    let source: String
    /// The tenant's: older events would be refused.
    let retentionDays: Int

    /// `fluent-bit.conf` for this server and source. The token is not in it.
    func configuration() throws -> String {
        guard let kit = EmbeddedText.files.first(where: { $0.name == Self.configurationName }) else {
            throw Failure("this build holds no \(Self.configurationName)")
        }
        let settings = [
            ("SLUICE_HOST", address.host), ("SLUICE_PORT", String(address.port)), ("SLUICE_TLS", address.isTLS ? "on" : "off"),
            ("SLUICE_SOURCE", source), ("SLUICE_RETENTION", "\(retentionDays)d"),
        ]
        var lines = kit.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for (name, value) in settings {
            guard let line = lines.firstIndex(where: { $0.hasPrefix("@SET \(name)=") }) else {
                throw Failure("\(Self.configurationName) has no line for \(name)")
            }
            lines[line] = "@SET \(name)=\(value)"
        }
        return lines.joined(separator: "\n")
    }

    /// Everything that goes to a Mac, or into its package.
    func files(token: String, profile: ConfigurationProfile) throws -> [SecretFolder.File] {
        var files = try EmbeddedText.files.map { name, text in
            SecretFolder.File(
                name: name,
                text: name == Self.configurationName ? try configuration() : text,
                isExecutable: name.hasSuffix(".sh")
            )
        }
        files.append(SecretFolder.File(name: "token", text: "\(token)\n"))
        files.append(SecretFolder.File(name: "privileges-logger.mobileconfig", text: try profile.document()))
        return files
    }
}
