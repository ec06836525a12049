import Glibc
import Synchronization

/// A serial executor that is one thread of its own, so that a libpq call that waits holds up nobody else.
///
/// The thread starts with the first job and ends after `stop()` once no job is left. A job that comes later still, such as
/// a call on a closed connection, gets a thread for as long as it takes.
final class ConnectionThread: SerialExecutor {
    private struct Job {
        let job: UnownedJob
        /// Of a task that prefers this thread; nil: the job is the serial executor's.
        let executor: UnownedTaskExecutor?
    }

    private struct State {
        var jobs: [Job] = []
        var isRunning = false
        /// Asleep until the signal: who makes it false gives that.
        var isWaiting = false
        var isStopping = false
    }

    private enum Step {
        case run([Job])
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
        enqueue(UnownedJob(job), on: nil)
    }

    /// - Parameter executor: whose job it is, if not the serial executor's.
    func enqueue(_ job: UnownedJob, on executor: UnownedTaskExecutor?) {
        let (mustStart, mustWake) = state.withLock { state in
            state.jobs.append(Job(job: job, executor: executor))
            defer { (state.isRunning, state.isWaiting) = (true, false) }
            return (!state.isRunning, state.isWaiting)
        }
        if mustStart { start() }
        if mustWake { sem_post(signal) }
    }

    func stop() {
        let mustWake = state.withLock { state in
            state.isStopping = true
            defer { state.isWaiting = false }
            return state.isWaiting
        }
        if mustWake { sem_post(signal) }
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
                for job in jobs {
                    if let executor = job.executor {
                        job.job.runSynchronously(on: executor)
                    } else {
                        job.job.runSynchronously(on: asUnownedSerialExecutor())
                    }
                }
            case .wait:
                while sem_wait(signal) != 0, errno == EINTR {}
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
            guard state.isStopping else {
                state.isWaiting = true
                return .wait
            }
            state.isRunning = false
            return .end
        }
    }
}

/// A thread for a task and the connections that it makes, one after the other: neither waits for another thread to hand over to.
///
/// Whoever makes one keeps it until its task has ended, and then stops it.
package final class ThreadExecutor: TaskExecutor {
    let thread = ConnectionThread()

    package init() {}

    package func enqueue(_ job: consuming ExecutorJob) {
        thread.enqueue(UnownedJob(job), on: asUnownedTaskExecutor())
    }

    /// Ends the thread once it has nothing left to do.
    package func stop() {
        thread.stop()
    }
}
