import Glibc
import Synchronization

/// A serial executor that is one thread of its own, so that a libpq call that waits holds up nobody else.
///
/// The thread starts with the first job and ends after `stop()` once no job is left. A job that comes later still, such as
/// a call on a closed connection, gets a thread for as long as it takes.
final class ConnectionThread: SerialExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var isRunning = false
        var isStopping = false
    }

    private enum Step {
        case run([UnownedJob])
        case wait
        case end
    }

    private let state = Mutex(State())
    // A POSIX semaphore is made to be used from many threads; initialised before the first job, destroyed after the last.
    private nonisolated(unsafe) let signal: UnsafeMutablePointer<sem_t>

    init() {
        signal = .allocate(capacity: 1)
        sem_init(signal, 0, 0)
    }

    deinit {
        sem_destroy(signal)
        signal.deallocate()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let mustStart = state.withLock { state in
            state.jobs.append(job)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if mustStart { start() } else { sem_post(signal) }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        sem_post(signal)
    }

    /// For tests: whether the thread lives.
    var isRunning: Bool { state.withLock { $0.isRunning } }

    private func start() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let failed = pthread_create(
            &thread,
            nil,
            { context in
                guard let context else { return nil }
                ConnectionThread.leaveSignalsToOthers()
                Unmanaged<ConnectionThread>.fromOpaque(context).takeRetainedValue().run()
                return nil
            },
            context.toOpaque()
        )
        guard failed == 0 else {
            // The system is out of threads: better the jobs run here, late for others, than never.
            context.release()
            state.withLock { $0.isStopping = true }
            return run()
        }
        pthread_detach(thread)
    }

    private static func leaveSignalsToOthers() {
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, nil)
    }

    private func run() {
        while true {
            switch nextStep() {
            case .run(let jobs):
                for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
            case .wait:
                // An interrupted wait is only one more look at the queue.
                sem_wait(signal)
            case .end:
                return
            }
        }
    }

    private func nextStep() -> Step {
        state.withLock { state in
            if !state.jobs.isEmpty {
                defer { state.jobs.removeAll() }
                return .run(state.jobs)
            }
            guard state.isStopping else { return .wait }
            state.isRunning = false
            return .end
        }
    }
}
