/// One line of CSV (RFC 4180), UTF-8, ended by CRLF.
struct CSVLine {
    /// What stands before the text of a cell that a spreadsheet would take for a formula.
    static let guardCharacter = UInt8(ascii: "'")

    private(set) var bytes: [UInt8] = []
    private let guardsFormulas: Bool
    private var isFirst = true

    /// - Parameter guardsFormulas: cells of text that begin with `= + - @` TAB or CR get one `'` in front, and so do those that begin
    ///   with `'` and then would: one `'` before one of these, or before more of itself and one of these, is always ours to take off.
    init(guardsFormulas: Bool) {
        self.guardsFormulas = guardsFormulas
    }

    mutating func text(_ value: String?) {
        separate()
        guard let value else { return }
        let isGuarded = guardsFormulas && Self.startsFormula(value)
        let isQuoted = value.isEmpty || value.utf8.contains(where: Self.needsQuotes)
        if isQuoted { bytes.append(UInt8(ascii: "\"")) }
        if isGuarded { bytes.append(Self.guardCharacter) }
        append(value.utf8, doublingQuotes: isQuoted)
        if isQuoted { bytes.append(UInt8(ascii: "\"")) }
    }

    /// Digits, a word, or JSON: never taken for a formula's text, so as it is.
    mutating func verbatim(_ value: some Collection<UInt8>) {
        separate()
        guard value.contains(where: Self.needsQuotes) else { return bytes.append(contentsOf: value) }
        bytes.append(UInt8(ascii: "\""))
        append(value, doublingQuotes: true)
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func end() {
        bytes.append(contentsOf: "\r\n".utf8)
        isFirst = true
    }

    private mutating func separate() {
        if !isFirst { bytes.append(UInt8(ascii: ",")) }
        isFirst = false
    }

    private mutating func append(_ value: some Sequence<UInt8>, doublingQuotes: Bool) {
        for byte in value {
            if doublingQuotes, byte == UInt8(ascii: "\"") { bytes.append(byte) }
            bytes.append(byte)
        }
    }

    private static func needsQuotes(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\"") || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n")
    }

    private static func startsFormula(_ value: String) -> Bool {
        guard let first = value.utf8.first(where: { $0 != guardCharacter }) else { return false }
        return [UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "@"), 0x09, 0x0D].contains(first)
    }
}
