/// A number of bytes as people read it.
enum ByteSize {
    static func text(_ bytes: Int) -> String {
        var value = Double(bytes)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if value < 1024 { return unit == "B" ? "\(bytes) B" : "\(tenths(value)) \(unit)" }
            value /= 1024
        }
        return "\(tenths(value)) TiB"
    }

    private static func tenths(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
