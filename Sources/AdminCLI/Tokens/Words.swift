import ArgumentParser

/// One or more words in one argument, divided by commas or spaces: `ingest`, `ingest,query`.
struct Words<Word: RawRepresentable<String> & Hashable & Sendable>: ExpressibleByArgument, Sendable {
    let words: [Word]

    init(_ words: [Word]) {
        self.words = words
    }

    init?(argument: String) {
        let parts = argument.split { $0 == "," || $0 == " " }
        words = parts.compactMap { Word(rawValue: String($0)) }
        guard !words.isEmpty, words.count == parts.count else { return nil }
    }

    var defaultValueDescription: String { words.map(\.rawValue).joined(separator: ",") }
}
