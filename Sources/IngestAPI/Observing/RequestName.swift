import HTTPTypes

/// `X-Request-Id`: what a sender calls its request, if that is a name and nothing else; it comes back in the answer and in the log.
enum RequestName {
    static let header = HTTPField.Name("X-Request-Id")

    static func isValid(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
            // A key that was put in the wrong place is not repeated.
            && !text.contains("slc_")
    }

    /// Nil: the request is to be given a name.
    static func taken(from headers: HTTPFields) -> String? {
        guard let header, let text = headers[header], isValid(text) else { return nil }
        return text
    }
}
