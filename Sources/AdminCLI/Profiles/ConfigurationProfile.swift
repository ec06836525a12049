import Foundation

/// A macOS configuration profile (.mobileconfig) for the SAP Privileges app.
struct ConfigurationProfile: Sendable {
    /// Reverse DNS; a new profile of the same identifier replaces the old one on a device.
    let identifier: String
    let name: String
    let purpose: String
    /// The app's preferences.
    let settings: [(key: String, value: PropertyList)]

    /// The app's preference domain: https://github.com/SAP/macOS-enterprise-privileges/wiki/Managing-Privileges
    private static let domain = "corp.sap.privileges"
    /// The app's own limit is 20; 200 is some months of one Mac.
    private static let queuedEvents = 200

    /// The app posts each change to a hook by itself, and keeps what it could not deliver.
    ///
    /// - Parameter hookURL: holds the key, since the app can send no header.
    static func webhook(tenant: String, source: String, hookURL: String, customData: [CustomDatum]) -> ConfigurationProfile {
        ConfigurationProfile(
            identifier: "sluice.\(tenant).\(source).webhook",
            name: "Privileges: report to Sluice (\(tenant)/\(source))",
            purpose: "SAP Privileges reports each change of rights.",
            settings: [
                (
                    "RemoteLogging",
                    .dictionary([
                        ("ServerType", .string("webhook")),
                        ("ServerAddress", .string(hookURL)),
                        ("QueueUnsentEvents", .boolean(true)),
                        ("QueuedEventsMax", .integer(queuedEvents)),
                        ("WebhookCustomData", .dictionary(customData.map { ($0.name, .string($0.value)) })),
                    ])
                )
            ]
        )
    }

    /// The app runs the Mac kit's logger after each change.
    static func logger(tenant: String, source: String) -> ConfigurationProfile {
        ConfigurationProfile(
            identifier: "sluice.\(tenant).\(source).logger",
            name: "Privileges: record each change (\(tenant)/\(source))",
            purpose: "SAP Privileges runs the Mac kit's logger after each change of rights.",
            settings: [("PostChangeExecutablePath", .string(MacKit.loggerPath))]
        )
    }

    func document() throws -> String {
        let payload: [(key: String, value: PropertyList)] = [
            ("PayloadType", .string(Self.domain)),
            ("PayloadIdentifier", .string("\(identifier).settings")),
            ("PayloadUUID", .string(UUID().uuidString)),
            ("PayloadVersion", .integer(1)),
            ("PayloadDisplayName", .string(name)),
        ]
        return try PropertyList.dictionary([
            ("PayloadContent", .array([.dictionary(payload + settings)])),
            ("PayloadDescription", .string(purpose)),
            ("PayloadDisplayName", .string(name)),
            ("PayloadIdentifier", .string(identifier)),
            ("PayloadScope", .string("System")),
            ("PayloadType", .string("Configuration")),
            ("PayloadUUID", .string(UUID().uuidString)),
            ("PayloadVersion", .integer(1)),
        ]).document()
    }
}
