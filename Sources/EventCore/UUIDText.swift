/// A UUID's canonical text: 8-4-4-4-12 digits, lower case. Any version.
package enum UUIDText {
    package static func canonical(_ text: String) -> String? {
        guard text.utf8.count == 36 else { return nil }
        for (place, byte) in text.utf8.enumerated() {
            let isHyphen = place == 8 || place == 13 || place == 18 || place == 23
            guard isHyphen ? byte == UInt8(ascii: "-") : byte.hexValue != nil else { return nil }
        }
        return text.lowercased()
    }
}
