/// All pointers of a schema as one tree of keys, so that a record is walked once.
struct PointerTree: Sendable {
    struct Target: Hashable, Sendable {
        static let occurredAt = Target(place: 0)
        static let type = Target(place: 1)
        static let actor = Target(place: 2)
        static let machine = Target(place: 3)
        static func field(_ number: Int) -> Target { Target(place: 4 + number) }

        let place: Int
    }

    struct Node: Sendable {
        var children: [(key: [UInt8], node: Int)] = []
        var targets: [Target] = []
    }

    private(set) var nodes = [Node()]
    /// One more than the greatest target's place.
    private(set) var targetCount = 4

    mutating func insert(_ pointer: JSONPointer, _ target: Target) {
        var node = 0
        for segment in pointer.segments {
            if let child = nodes[node].children.first(where: { $0.key == segment }) {
                node = child.node
            } else {
                nodes[node].children.append((segment, nodes.count))
                node = nodes.count
                nodes.append(Node())
            }
        }
        nodes[node].targets.append(target)
        targetCount = max(targetCount, target.place + 1)
    }
}
