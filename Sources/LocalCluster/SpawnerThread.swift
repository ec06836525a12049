internal import Foundation
internal import Synchronization

/// One thread that lives as long as the process, and runs what is enqueued in order.
///
/// PR_SET_PDEATHSIG, by which children end with us, fires when the *thread* that spawned them ends, not the process. Threads of the
/// Swift concurrency pool come and go, so a child spawned from one would get its signal at some random moment. This thread never
/// returns: it ends when the process does, and then the signal means what it should.
final class SpawnerThread: SerialExecutor {
    private let jobs = Mutex<[UnownedJob]>([])
    private let ready = DispatchSemaphore(value: 0)

    init() {
        let thread = Thread { [self] in
            while true { runNext() }
        }
        thread.name = "sluice-spawner"
        thread.start()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
        ready.signal()
    }

    private func runNext() {
        ready.wait()
        let job = jobs.withLock { $0.removeFirst() }
        job.runSynchronously(on: asUnownedSerialExecutor())
    }
}
