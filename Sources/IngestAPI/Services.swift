import Access
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

/// Asks whether keys, tenants, sources or schemas have changed, for as long as the server runs.
struct EpochService: Service {
    let watcher: EpochWatcher

    func run() async throws {
        await cancelWhenGracefulShutdown { await watcher.run() }
    }
}

/// Tells the database what is counted in memory: stored events every few seconds, the use of keys once a minute, and all of it
/// once more at the end.
struct UsageService: Service {
    let store: UsageStore
    let limiter: Limiter
    let usage: KeyUsage
    let logger: Logger

    private static let pause = Duration.seconds(3)
    private static let useEvery = Duration.seconds(60)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var useToldAt = ContinuousClock.now
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.pause)
                let isUseDue = ContinuousClock.now - useToldAt >= Self.useEvery
                if isUseDue { useToldAt = .now }
                await tell(use: isUseDue)
            }
        }
        // Without the cancellation, which would end the last statement too.
        await Task { await tell(use: true) }.value
    }

    private func tell(use: Bool) async {
        do {
            try await store.tellStored(of: limiter, deadline: .now + .seconds(3))
            if use { try await store.tellUse(usage, deadline: .now + .seconds(3)) }
        } catch {
            guard !Task.isCancelled else { return }
            logger.warning("Usage was not saved; it is kept", metadata: ["error": "\(ProblemMiddleware.loggable(error))"])
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
