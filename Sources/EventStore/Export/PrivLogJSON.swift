import EventCore

/// Events as PrivLog's reads give them: one JSON array, without a name around it.
package enum PrivLogJSON {
    package static func append(_ stored: StoredEvent, to text: inout [UInt8]) {
        let event = PrivLogEvent(
            occurredAt: stored.occurredAt,
            type: stored.type,
            actor: stored.actor,
            machine: stored.machine,
            fields: stored.fields,
            extra: stored.extra
        )
        text.append(contentsOf: "{\"id\":\"\(stored.id)\",\"admin\":\(event.admin),\"custom_serial\":".utf8)
        EventJSON.appendString(event.serial, to: &text)
        text.append(contentsOf: ",\"delayed\":\(event.isDelayed)".utf8)
        for (name, value) in [
            ("event", event.event), ("expires", event.expires), ("machine", event.machine), ("reason", event.reason),
            ("timestamp", event.timestamp), ("user", event.user),
        ] {
            text.append(contentsOf: ",\"\(name)\":".utf8)
            EventJSON.appendString(value, to: &text)
        }
        text.append(UInt8(ascii: "}"))
    }
}
