import Foundation
@testable import LogLines
import Logging
import TestSupport
import Testing

@Suite struct LogQueueTests {
    private func line(_ number: Int) -> LogLine {
        LogLine(time: LogQueue.now(), level: .info, message: "Line", fields: [("n", .number(number))])
    }

    private func folder() throws -> String {
        let path = FileManager.default.temporaryDirectory.appending(path: "sluice-log-\(UUID())").path(percentEncoded: false)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        return path
    }

    private func pipe() throws -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [0, 0]
        try #require(Foundation.pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    private func readAll(_ descriptor: Int32) -> String {
        String(decoding: (try? FileHandle(fileDescriptor: descriptor, closeOnDealloc: true).readToEnd()) ?? Data(), as: UTF8.self)
    }

    @Test func writesLinesInTheirOrder() throws {
        let (reading, writing) = try pipe()
        let queue = LogQueue(.descriptor(writing), format: .text)
        for number in 0..<200 { queue.add(line(number)) }
        queue.drain(within: .seconds(10))
        close(writing)
        let numbers = readAll(reading).split(separator: "\n").compactMap { Int($0.drop { $0 != "=" }.dropFirst()) }
        #expect(numbers == Array(0..<200) && queue.dropped == 0)
    }

    @Test func neverWaitsForAPipeThatNobodyReads() async throws {
        let (reading, writing) = try pipe()
        let queue = LogQueue(.descriptor(writing), format: .text, maximumBytes: 100_000)
        let started = ContinuousClock.now
        let count = 50_000
        for number in 0..<count { queue.add(line(number)) }
        #expect(ContinuousClock.now - started < .seconds(5))
        #expect(queue.dropped > count / 2, "what waits is bounded")
        let atDrain = ContinuousClock.now
        queue.drain(within: .milliseconds(50))
        #expect(ContinuousClock.now - atDrain < .seconds(2), "the end of the process waits no longer than it is told")
        // Somebody reads again: a line says what is missing, and writing goes on.
        let reader = Thread { _ = Self.drainForever(reading) }
        reader.start()
        #expect(
            try await eventually {
                queue.add(line(-1))
                return Self.text.withLock { $0.contains("Log lines were dropped") }
            }
        )
        // What had piled up by then may still leave no room.
        queue.drain(within: .seconds(60))
        let kept = queue.dropped
        queue.add(line(7_777_777))
        #expect(try await eventually { Self.text.withLock { $0.contains("n=7777777") } })
        #expect(queue.dropped == kept)
        close(writing)
    }

    private static let text = Locked("")

    private static func drainForever(_ descriptor: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return close(descriptor) == 0 }
            let piece = String(decoding: buffer.prefix(count), as: UTF8.self)
            text.withLock { $0 += piece }
        }
    }

    @Test func keepsAFileADayForSomeDays() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let today = LogOutput.day(time(nil))
        let old = ["api-2001-01-01.log", "api-\(LogOutput.day(time(nil) - 8 * 86_400)).log"]
        let kept = ["api-\(LogOutput.day(time(nil) - 7 * 86_400)).log", "api-notes.log", "other-2001-01-01.log", "api-2001-01-01.log.gz"]
        for name in old + kept { try Data("x".utf8).write(to: URL(filePath: "\(folder)/\(name)")) }
        let queue = LogQueue(.folder(path: folder, name: "api", days: 7), format: .json)
        queue.add(line(1))
        queue.drain(within: .seconds(10))
        let files = Set(try FileManager.default.contentsOfDirectory(atPath: folder))
        #expect(files == Set(kept + ["api-\(today).log"]))
        let text = try String(contentsOfFile: "\(folder)/api-\(today).log", encoding: .utf8)
        #expect(text.contains("\"n\":1}\n"))
        let mode = try FileManager.default.attributesOfItem(atPath: "\(folder)/api-\(today).log")[.posixPermissions] as? Int
        #expect(mode.map { $0 & 0o007 } == 0, "nobody else reads it")
    }

    @Test func countsWhatAFullDiskRefuses() async throws {
        let descriptor = open("/dev/full", O_WRONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        let queue = LogQueue(.descriptor(descriptor), format: .text)
        queue.add(line(1))
        queue.add(line(2))
        #expect(try await eventually { queue.dropped == 2 })
        close(descriptor)
    }

    @Test func carriesSwiftLogsMetadata() throws {
        let (reading, writing) = try pipe()
        let queue = LogQueue(.descriptor(writing), format: .text)
        var logger = Logger(label: "here") { QueuedLogHandler(queue, label: $0) }
        logger[metadataKey: "hb.request.id"] = "abc"
        logger.warning("Something went wrong", metadata: ["why": "a\nb"])
        logger.debug("Nobody wants to know")
        queue.drain(within: .seconds(10))
        close(writing)
        let text = readAll(reading)
        #expect(text.hasSuffix("Z warning Something went wrong request_id=abc why=\"a\\nb\" logger=here\n"), "\(text)")
        #expect(text.split(separator: "\n").count == 1)
    }
}
