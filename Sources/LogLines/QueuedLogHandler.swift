package import Logging

/// swift-log's way into a queue.
package struct QueuedLogHandler: LogHandler {
    private let queue: LogQueue
    private let label: String
    package var logLevel = Logger.Level.info
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    /// Names that others chose, and what they are called here.
    private static let names = ["hb.request.id": "request_id"]

    package init(_ queue: LogQueue, label: String, metadataProvider: Logger.MetadataProvider? = nil) {
        self.queue = queue
        self.label = label
        self.metadataProvider = metadataProvider
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        // An error's own words may hold a payload: its kind is enough where nobody chose better ones.
        if let error = event.error, all["error"] == nil { all["error"] = "\(type(of: error))" }
        var fields = all.sorted { $0.key < $1.key }.map { (name: Self.names[$0.key] ?? $0.key, value: LogLine.Value.text("\($0.value)")) }
        fields.append(("logger", .text(label)))
        queue.add(LogLine(time: LogQueue.now(), level: event.level, message: "\(event.message)", fields: fields))
    }
}
