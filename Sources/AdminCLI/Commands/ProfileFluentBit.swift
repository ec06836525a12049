import Access
import ArgumentParser
import EventCore
import EventStore

struct ProfileFluentBit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fluent-bit",
        abstract: "The Mac kit, filled in: a folder ready for MDM.",
        discussion: """
            The folder has the logger, Fluent Bit's configuration, the installer, build-pkg.sh for a package, and a profile that makes \
            SAP Privileges run the logger; README.md says how to deploy it. Its credential, in the file token, is a fresh key that can \
            only write to this source, or what --token-file holds: a token from sluice token issue, for instance.
            """
    )

    @OptionGroup var profile: ProfileOptions

    @Option(help: "The new folder (default: <tenant>-<source>-mac-kit, here).", completion: .directory)
    var out: String?

    @Option(help: "A file with the token to use, instead of a fresh key.", completion: .file())
    var tokenFile: String?

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let address = try profile.address()
        let token = try tokenFile.map(SecretFolder.readToken)
        let folder = out ?? "\(profile.tenant)-\(profile.source)-mac-kit"
        let logger = ConfigurationProfile.logger(tenant: profile.tenant, source: profile.source)
        let keyID = try await AdminSettings().administer { administration in
            let found = try await profile.schema(administration, of: .fluentBit)
            let kit = MacKit(address: address, source: profile.source, retentionDays: found.retentionDays)
            // The folder first: a key that nobody has would be of no use.
            try SecretFolder.make(folder)
            if let token {
                try SecretFolder.write(kit.files(token: token, profile: logger), into: folder)
                return nil as String?
            }
            return try await profile.withFreshKey(administration, kind: .ingest, name: "profile fluent-bit") { key in
                try SecretFolder.write(kit.files(token: key.text, profile: logger), into: folder)
            }.text
        }
        try options.print(ProfileRow(out: folder, server: address.text, source: profile.source, keyID: keyID))
        if options.output == .table {
            Console.current.error("The folder holds the credential, in token. \(folder)/README.md says how to deploy it.")
        }
    }
}
