import Access
import ArgumentParser
import EventCore
import EventStore

struct ProfileMobileconfig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mobileconfig",
        abstract: "A configuration profile for SAP Privileges, which then reports by itself.",
        discussion: """
            Makes a fresh hook key, which is in the profile's ServerAddress: keep the profile as you would the key. WebhookCustomData has \
            what the source's schema reads from /custom_data, with Jamf Pro's variables like $SERIALNUMBER; other MDM servers have \
            others: --custom-data 'serial=%SerialNumber%'.
            """
    )

    @OptionGroup var profile: ProfileOptions

    @Option(help: "An entry of WebhookCustomData, like 'asset=$EXTENSIONATTRIBUTE_7'. More than once for more.")
    var customData: [String] = []

    @Option(help: "The new file for the profile (default: standard output).", completion: .file())
    var out: String?

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let address = try profile.address()
        let given = try givenEntries()
        let (keyID, unknown) = try await AdminSettings().administer { administration in
            let schema = try await profile.schema(administration, of: .privilegesWebhook)
            let (customData, unknown) = try CustomDatum.entries(document: schema.document, given: given)
            let id = try await profile.withFreshKey(administration, kind: .hook, name: "profile mobileconfig") { key in
                let document = try ConfigurationProfile.webhook(
                    tenant: profile.tenant,
                    source: profile.source,
                    hookURL: "\(address.text)/hooks/\(key.text)",
                    customData: customData
                ).document()
                if let out {
                    try SecretFolder.create(out, text: document)
                } else {
                    Console.current.output(document.trimmingSuffix("\n"))
                }
            }
            return (id, unknown)
        }
        if let out {
            try options.print(ProfileRow(out: out, server: address.text, source: profile.source, keyID: keyID.text))
        }
        if !unknown.isEmpty {
            Console.current.error(
                "Not in the profile, for no MDM variable is known for it: \(unknown.sorted().joined(separator: ", ")). --custom-data NAME=VALUE adds one."
            )
        }
        Console.current.error("The profile holds the key \(keyID.text): sluice key revoke \(profile.tenant) \(keyID.text) closes it.")
    }

    private func givenEntries() throws -> [String: String] {
        var entries: [String: String] = [:]
        for entry in customData {
            guard let mark = entry.firstIndex(of: "="), mark > entry.startIndex else {
                throw ValidationError("--custom-data is NAME=VALUE, like 'asset=$EXTENSIONATTRIBUTE_7'; not \(entry)")
            }
            entries[String(entry[..<mark])] = String(entry[entry.index(after: mark)...])
        }
        return entries
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
