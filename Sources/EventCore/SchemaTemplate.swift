/// The schemas that ship: applied by their names, and compiled in from `Templates/`.
package enum SchemaTemplate: String, CaseIterable, Sendable {
    /// What SAP Privileges' webhook posts.
    case privilegesWebhook = "privileges-webhook"
    /// The lines of the Mac kit's NDJSON log, as Fluent Bit sends them.
    case privilegesNDJSON = "privileges-ndjson"

    /// The document with its comments, as its reader shall see it.
    package var yaml: String {
        EmbeddedText.files.first { $0.name == rawValue + ".yaml" }?.text ?? ""
    }
}
