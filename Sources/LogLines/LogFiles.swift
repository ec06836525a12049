import Foundation

/// Where lines end up: a descriptor that is open already, or a file a day in a folder.
package enum LogDestination: Sendable, Equatable {
    case descriptor(Int32)
    /// Files are called `name-2026-11-21.log` by their day in UTC; those of more than `days` days ago are deleted.
    case folder(path: String, name: String, days: Int)
}

/// Writes to a destination; belongs to one thread.
final class LogOutput {
    private let destination: LogDestination
    private var file: (day: String, descriptor: Int32)?
    /// The last write broke off inside a line.
    private var isInsideLine = false

    init(_ destination: LogDestination) {
        self.destination = destination
    }

    /// All of it, however long the other side takes; false when a part could not be written.
    func write(_ bytes: [UInt8], day: String) -> Bool {
        let descriptor: Int32
        switch destination {
        case .descriptor(let open): descriptor = open
        case .folder(let path, let name, let days):
            guard let open = open(path, name, day, days) else { return false }
            descriptor = open
        }
        let whole = isInsideLine ? [UInt8(ascii: "\n")] + bytes : bytes
        var rest = whole[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                // Somebody who shares the descriptor made it non-blocking.
                var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&wanted, 1, 1_000)
            } else if errno != EINTR {
                break
            }
        }
        isInsideLine = !rest.isEmpty && rest.startIndex > 0 && whole[rest.startIndex - 1] != UInt8(ascii: "\n")
        return rest.isEmpty
    }

    private func open(_ folder: String, _ name: String, _ day: String, _ days: Int) -> Int32? {
        if let file, file.day == day { return file.descriptor }
        if let file { Foundation.close(file.descriptor) }
        file = nil
        let path = "\(folder)/\(name)-\(day).log"
        let descriptor = Foundation.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o640)
        guard descriptor >= 0 else { return nil }
        file = (day, descriptor)
        isInsideLine = false
        Self.deleteOld(in: folder, name, before: Self.day(before: day, days: days))
        return descriptor
    }

    /// Only what has exactly the name of a file of ours.
    static func deleteOld(in folder: String, _ name: String, before oldest: String) {
        for file in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            guard file.hasPrefix("\(name)-"), file.hasSuffix(".log") else { continue }
            let day = file.dropFirst(name.count + 1).dropLast(4)
            guard day.wholeMatch(of: /[0-9]{4}-[0-9]{2}-[0-9]{2}/) != nil, day < oldest else { continue }
            unlink("\(folder)/\(file)")
        }
    }

    /// `2026-11-21`, in UTC.
    static func day(_ seconds: time_t) -> String {
        var seconds = seconds
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func digits(_ number: Int, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return "\(digits(Int(parts.tm_year) + 1900, 4))-\(digits(Int(parts.tm_mon) + 1, 2))-\(digits(Int(parts.tm_mday), 2))"
    }

    private static func day(before day: String, days: Int) -> String {
        let parts = day.split(separator: "-").compactMap { Int32($0) }
        guard parts.count == 3 else { return "" }
        var date = tm()
        (date.tm_year, date.tm_mon, date.tm_mday) = (parts[0] - 1900, parts[1] - 1, parts[2])
        return Self.day(timegm(&date) - days * 86_400)
    }
}
