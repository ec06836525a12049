/// An event as PrivLog's reads give it: its names, its values.
package struct PrivLogEvent: Sendable {
    package let admin: Bool
    package let serial: String
    /// PrivLog keeps what the client said; an event that says nothing was not delayed.
    package let isDelayed: Bool
    package let event: String
    /// As it was sent; empty when rights do not expire.
    package let expires: String
    package let machine: String
    package let reason: String
    /// As it was sent.
    package let timestamp: String
    package let user: String

    /// Values come from where a schema put them, or from where the SAP client sent them: what does not come back byte for byte from
    /// its column is in `extra` as it was sent.
    ///
    /// - Parameters:
    ///   - fields: the event's schema fields, a JSON object.
    ///   - extra: the same of what no schema names.
    package init(
        occurredAt: Timestamp,
        type: String?,
        actor: String?,
        machine: String?,
        fields: [UInt8],
        extra: [UInt8]
    ) {
        let (fields, extra) = (ObjectCells(fields), ObjectCells(extra))
        admin = fields.flag("admin") ?? extra.flag("admin") ?? false
        serial = fields.text("serial") ?? extra.object("custom_data").text("serial") ?? ""
        isDelayed = fields.flag("delayed") ?? extra.flag("delayed") ?? false
        event = type ?? extra.text("event") ?? ""
        expires = extra.text("expires") ?? fields.text("expires") ?? ""
        self.machine = machine ?? extra.text("machine") ?? ""
        reason = fields.text("reason") ?? extra.text("reason") ?? ""
        timestamp = extra.text("timestamp") ?? occurredAt.rfc3339()
        user = actor ?? extra.text("user") ?? ""
    }
}
