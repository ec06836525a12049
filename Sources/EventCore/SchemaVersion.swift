/// SchemaVer: model-revision-addition, as `1-0-0`.
package struct SchemaVersion: Hashable, Sendable, CustomStringConvertible {
    /// How far a version is from the one before it.
    package enum Step: String, Hashable, Sendable, Comparable {
        /// Something more is read; nothing that was read before reads differently.
        case addition
        /// Events read differently, and none is refused that was accepted before.
        case revision
        /// An event that was valid before would be refused.
        case model

        private var weight: Int {
            switch self {
            case .addition: 0
            case .revision: 1
            case .model: 2
            }
        }

        package static func < (left: Step, right: Step) -> Bool { left.weight < right.weight }
    }

    package let model: Int
    package let revision: Int
    package let addition: Int

    package static let first = SchemaVersion(model: 1, revision: 0, addition: 0)

    init(model: Int, revision: Int, addition: Int) {
        self.model = model
        self.revision = revision
        self.addition = addition
    }

    package init?(_ text: String) {
        let numbers = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard numbers.count == 3, let model = numbers[0], let revision = numbers[1], let addition = numbers[2] else { return nil }
        self.init(model: model, revision: revision, addition: addition)
    }

    package func next(_ step: Step) -> SchemaVersion {
        switch step {
        case .addition: SchemaVersion(model: model, revision: revision, addition: addition + 1)
        case .revision: SchemaVersion(model: model, revision: revision + 1, addition: 0)
        case .model: SchemaVersion(model: model + 1, revision: 0, addition: 0)
        }
    }

    package var description: String { "\(model)-\(revision)-\(addition)" }
}
