import Dispatch
import Foundation
import Logging
import Synchronization

/// Lines on their way out. Whoever logs leaves a record here and goes on; a thread of its own makes the text and writes it.
///
/// What waits is bounded: when nobody reads what is written (a full pipe, a hanging disk), further lines are dropped and counted, and
/// a line says how many once writing goes on.
package final class LogQueue: Sendable {
    private struct State {
        var waiting: [any LogRecord] = []
        var bytes = 0
        /// The thread waits to be woken.
        var isIdle = false
        var isWriting = false
    }

    /// Between two writes while lines keep coming: one write for many of them, and no wake-up for each.
    private static let pause = DispatchTimeInterval.milliseconds(10)

    package let format: LogFormat
    private let maximumBytes: Int
    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private let droppedLines = Atomic<Int>(0)

    /// - Parameter maximumBytes: of records that wait; twice as much may be held while one half is being written.
    package init(_ destination: LogDestination, format: LogFormat, maximumBytes: Int = 8 << 20) {
        self.format = format
        self.maximumBytes = maximumBytes
        let thread = Thread { self.run(LogOutput(destination)) }
        thread.name = "log"
        thread.start()
    }

    /// Since the start.
    package var dropped: Int { droppedLines.load(ordering: .relaxed) }

    /// Never waits for what is written.
    package func add(_ record: some LogRecord) {
        let size = record.size
        let (isTaken, wasIdle) = state.withLock { state in
            guard state.bytes + size <= maximumBytes else { return (false, false) }
            state.waiting.append(record)
            state.bytes += size
            defer { state.isIdle = false }
            return (true, state.isIdle)
        }
        if !isTaken { droppedLines.add(1, ordering: .relaxed) }
        if wasIdle { wake.signal() }
    }

    /// Waits until all is written, or the time is over: for the end of the process.
    package func drain(within limit: Duration) {
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            if state.withLock({ $0.waiting.isEmpty && !$0.isWriting }) { return }
            wake.signal()
            usleep(2_000)
        }
    }

    private func run(_ output: LogOutput) {
        var text: [UInt8] = []
        var reported = 0
        while true {
            let records = state.withLock { state in
                let records = state.waiting
                state.waiting = []
                state.bytes = 0
                state.isIdle = records.isEmpty
                state.isWriting = !records.isEmpty
                return records
            }
            guard !records.isEmpty else {
                wake.wait()
                continue
            }
            text.removeAll(keepingCapacity: text.capacity <= 1 << 20)
            let dropped = dropped
            let now = Self.now()
            if dropped > reported { format.write(Self.loss(dropped - reported, now), to: &text) }
            for record in records { format.write(record.line, to: &text) }
            if output.write(text, day: LogOutput.day(time_t(now / 1_000_000))) {
                reported = dropped
            } else {
                droppedLines.add(records.count, ordering: .relaxed)
            }
            state.withLock { $0.isWriting = false }
            _ = wake.wait(timeout: .now() + Self.pause)
        }
    }

    private static func loss(_ count: Int, _ time: Int64) -> LogLine {
        LogLine(time: time, level: .warning, message: "Log lines were dropped: nobody took them", fields: [("count", .number(count))])
    }

    /// Microseconds since 1970.
    package static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}
