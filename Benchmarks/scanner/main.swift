// Scans a file of NDJSON record by record with the server's own scanner; prints the fastest of seven rounds, by the thread's own time.
import Glibc

func cpuSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

guard let file = fopen(CommandLine.arguments[1], "rb") else { fatalError("no such file") }
var bytes: [UInt8] = []
var piece = [UInt8](repeating: 0, count: 1 << 20)
while case let count = fread(&piece, 1, piece.count, file), count > 0 { bytes += piece[..<count] }

var best = Double.infinity
var tokens = 0
bytes.withUnsafeBufferPointer { bytes in
    for _ in 0..<7 {
        var tape = JSONTape()
        let begin = cpuSeconds()
        var start = 0
        tokens = 0
        while let end = bytes[start...].firstIndex(of: 10) {
            let span = UnsafeBufferPointer(rebasing: bytes[start..<end]).span
            do { try tape.scan(span) } catch { fatalError("\(error)") }
            tokens += tape.tokens.count
            start = end + 1
        }
        best = min(best, cpuSeconds() - begin)
    }
}
print("JSONTape              \(Int(Double(bytes.count) / best / 1e6)) MB/s, \(tokens) tokens")
