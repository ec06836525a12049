import EventStore
import Logging
import Postgres
import ServiceLifecycle

/// Makes the partitions of the coming months ahead of time, once an hour.
struct MonthKeeper: Service {
    let installation: Installation
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                var pause = Duration.seconds(3600)
                do {
                    let made = try await installation.ensurePlannedMonths(deadline: .now + .seconds(10))
                    if made > 0 { logger.notice("Partitions made ahead", metadata: ["count": "\(made)"]) }
                } catch is CancellationError {
                    return
                } catch {
                    logger.warning("Partitions could not be made ahead", metadata: ["error": "\(error)"])
                    pause = .seconds(10)
                }
                try? await Task.sleep(for: pause)
            }
        }
    }
}

/// Closes the database's connections once nobody needs them any more.
struct DatabaseService: Service {
    let database: Database
    let probe: ReadinessProbe

    func run() async throws {
        try? await gracefulShutdown()
        await probe.close()
        await database.close()
    }
}
