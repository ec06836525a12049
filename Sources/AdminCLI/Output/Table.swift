/// Plain columns, aligned by character count.
enum Table {
    static func render(columns: [String], rows: [[String]]) -> String {
        let lines = [columns.map { $0.uppercased() }] + rows.map { $0.map(printable) }
        var widths = [Int](repeating: 0, count: columns.count)
        for line in lines {
            for (column, cell) in line.enumerated() where column < widths.count { widths[column] = max(widths[column], cell.count) }
        }
        return lines.map { line in
            let cells = zip(line, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }
            return trimmed(cells.joined(separator: "  "))
        }.joined(separator: "\n")
    }

    static func render(pairs: [(name: String, value: String)]) -> String {
        let width = pairs.map(\.name.count).max() ?? 0
        return pairs.map { pair in
            trimmed(pair.name + String(repeating: " ", count: width - pair.name.count) + "  " + printable(pair.value))
        }.joined(separator: "\n")
    }

    /// What could move the cursor, colour the terminal or turn the writing's direction is shown as a replacement character.
    static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { [.control, .format].contains($0.properties.generalCategory) ? "\u{FFFD}" : $0 }
            )
        )
    }

    private static func trimmed(_ line: String) -> String {
        var line = line[...]
        while line.last == " " { line.removeLast() }
        return String(line)
    }
}
