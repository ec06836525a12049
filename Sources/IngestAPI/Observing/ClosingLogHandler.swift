import LogLines
import Logging

/// Hummingbird finds it an error that its server's channel closes because this process is asked to end. Nobody has to look at that, so
/// what it calls an error once no more connections are taken is told at debug.
struct ClosingLogHandler: LogHandler {
    private var base: QueuedLogHandler
    private let closing: ClosingSign

    init(_ base: QueuedLogHandler, closing: ClosingSign) {
        self.base = base
        self.closing = closing
    }

    var logLevel: Logger.Level {
        get { base.logLevel }
        set { base.logLevel = newValue }
    }

    var metadata: Logger.Metadata {
        get { base.metadata }
        set { base.metadata = newValue }
    }

    var metadataProvider: Logger.MetadataProvider? {
        get { base.metadataProvider }
        set { base.metadataProvider = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { base[metadataKey: key] }
        set { base[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        guard event.level >= .error, event.source == "HummingbirdCore", closing.isDrained else { return base.log(event: event) }
        guard logLevel <= .debug else { return }
        var quieter = event
        quieter.level = .debug
        base.log(event: quieter)
    }
}
