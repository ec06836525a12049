/// Names as Prometheus takes them: `[a-zA-Z_:][a-zA-Z0-9_:]*`; of labels without the colon.
enum MetricName {
    static func metric(_ text: String) -> String { valid(text, colons: true) }
    static func label(_ text: String) -> String { valid(text, colons: false) }

    private static func valid(_ text: String, colons: Bool) -> String {
        var bytes = text.utf8.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "_"):
                byte
            case UInt8(ascii: ":") where colons: byte
            default: UInt8(ascii: "_")
            }
        }
        if let first = bytes.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) {
            return String(decoding: bytes, as: UTF8.self)
        }
        bytes.insert(UInt8(ascii: "_"), at: 0)
        return String(decoding: bytes, as: UTF8.self)
    }
}
