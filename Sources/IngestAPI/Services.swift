import EventStore
import Logging
import Postgres
import ServiceLifecycle

/// What has to be done now and then, once an hour: the coming months' partitions are made ahead of time, old quarantine and
/// forgotten senders' ids are swept. Any number of replicas may do it.
struct Housekeeper: Service {
    let installation: Installation
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                var pause = Duration.seconds(3600)
                do {
                    let made = try await installation.ensurePlannedMonths(deadline: .now + .seconds(10))
                    if made > 0 { logger.notice("Partitions made ahead", metadata: ["count": "\(made)"]) }
                    while try await installation.sweep(deadline: .now + .seconds(10)) > 0, !Task.isCancelled {}
                } catch is CancellationError {
                    return
                } catch {
                    logger.warning("Housekeeping failed", metadata: ["error": "\(ProblemMiddleware.loggable(error))"])
                    pause = .seconds(10)
                }
                try? await Task.sleep(for: pause)
            }
        }
    }
}

/// Runs the lanes, until nobody hands them records any more and what they have is written.
struct LaneService: Service {
    let lanes: Lanes

    func run() async throws {
        await withGracefulShutdownHandler {
            await lanes.run()
        } onGracefulShutdown: {
            lanes.stop()
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
