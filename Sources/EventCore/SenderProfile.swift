/// How one real client behaves. Framing and reply dialects hang on it too, where HTTP is spoken.
package enum SenderProfile: String, CaseIterable, Sendable {
    case privilegesWebhook = "privileges-webhook"
    case fluentBit = "fluent-bit"
    case generic

    /// Top-level members that may differ between two deliveries of one event, so that no fingerprint counts them.
    package var unfingerprinted: [String] {
        switch self {
        case .privilegesWebhook: ["delayed"]  // true on a retry that is more than 5 s old
        case .fluentBit: ["date"]  // Fluent Bit's own clock
        case .generic: []
        }
    }
}

extension SenderProfile {
    private static let delayed = Array("delayed".utf8)
    private static let date = Array("date".utf8)

    /// `unfingerprinted` as bytes, without making a list for each record.
    var unfingerprintedKey: [UInt8]? {
        switch self {
        case .privilegesWebhook: Self.delayed
        case .fluentBit: Self.date
        case .generic: nil
        }
    }
}
