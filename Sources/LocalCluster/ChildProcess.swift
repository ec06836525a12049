package import Foundation
internal import Synchronization

/// A process that ``ProcessSpawner`` started.
///
/// A thread waits for its end without reaping it, then reaps it under the lock that ``signal(_:)`` holds. So while the lock says
/// "running" the process id is ours, be it a zombie's, and a signal cannot hit a stranger who got the same number.
package final class ChildProcess: Sendable {
    package let pid: pid_t

    private typealias Waiters = [UUID: CheckedContinuation<ChildExit?, Never>]

    private enum State {
        case running(Waiters)
        case ended(ChildExit)
    }

    private let state = Mutex(State.running([:]))

    init(pid: pid_t) {
        self.pid = pid
        Thread { self.reap() }.start()
    }

    /// nil while it runs.
    package var status: ChildExit? {
        state.withLock { if case .ended(let status) = $0 { status } else { nil } }
    }

    /// Does not heed cancellation: whoever wants it to end earlier ends the child.
    package func waitForExit() async -> ChildExit {
        while true {
            if let status = await wait(UUID(), heedingCancellation: false) { return status }
        }
    }

    /// nil when it still runs after that time, or when the task is cancelled.
    package func waitForExit(within limit: Duration) async -> ChildExit? {
        let id = UUID()
        return await withTaskGroup(of: ChildExit?.self) { group in
            group.addTask {
                await withTaskCancellationHandler {
                    await self.wait(id, heedingCancellation: true)
                } onCancel: {
                    self.forget(id)
                }
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first ?? self.status
        }
    }

    /// Returns whether the process was still there.
    @discardableResult
    package func signal(_ signal: Int32) -> Bool {
        state.withLock {
            guard case .running = $0 else { return false }
            return kill(pid, signal) == 0
        }
    }

    /// Asks it to end; after `grace` tells it to, by `last`. Finishes also when the task is cancelled, as is usual in a shutdown.
    @discardableResult
    package func terminate(signal first: Int32 = SIGTERM, grace: Duration, then last: Int32 = SIGKILL) async -> ChildExit {
        await Task {
            self.signal(first)
            if let status = await waitForExit(within: grace) { return status }
            self.signal(last)
            return await waitForExit()
        }.value
    }

    private func wait(_ id: UUID, heedingCancellation: Bool) async -> ChildExit? {
        await withCheckedContinuation { continuation in
            let known: ChildExit?? = state.withLock {
                switch $0 {
                case .ended(let status): return status
                case .running(var waiters):
                    // Cancelled before we got here: forget(_:) found nothing to resume.
                    if heedingCancellation, Task.isCancelled { return .some(nil) }
                    waiters[id] = continuation
                    $0 = .running(waiters)
                    return nil
                }
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    private func forget(_ id: UUID) {
        let waiter = state.withLock {
            guard case .running(var waiters) = $0 else { return nil as CheckedContinuation<ChildExit?, Never>? }
            let waiter = waiters.removeValue(forKey: id)
            $0 = .running(waiters)
            return waiter
        }
        waiter?.resume(returning: nil)
    }

    private func reap() {
        var info = siginfo_t()
        while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        var raw: Int32 = 0
        let (status, waiters) = state.withLock { state in
            while waitpid(pid, &raw, 0) < 0, errno == EINTR {}
            let status: ChildExit = raw & 0x7f == 0 ? .exited((raw >> 8) & 0xff) : .signalled(raw & 0x7f)
            defer { state = .ended(status) }
            guard case .running(let waiters) = state else { return (status, [:] as Waiters) }
            return (status, waiters)
        }
        for waiter in waiters.values { waiter.resume(returning: status) }
    }
}
