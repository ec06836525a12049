/// All pointers of a schema as one tree of keys, so that a record is walked once.
///
/// Its nodes, keys and targets lie flat in three lists: a walk counts no references.
struct PointerTree: Sendable {
    struct Target: Hashable, Sendable {
        static let occurredAt = Target(place: 0)
        static let type = Target(place: 1)
        static let actor = Target(place: 2)
        static let machine = Target(place: 3)
        static let id = Target(place: 4)
        /// The fields' pointers, counted through: a field has as many as its `from` lists.
        static func field(_ number: Int) -> Target { Target(place: 5 + number) }

        let place: Int
    }

    /// A key, and what it leads to.
    struct Node: Sendable {
        let key: Range<Int>
        var children: Range<Int>
        var targets: Range<Int>
    }

    /// The root first; a node's children lie together.
    private(set) var nodes: [Node] = []
    private(set) var keys: [UInt8] = []
    private(set) var targets: [Target] = []
    /// One more than the greatest target's place.
    private(set) var targetCount = 5

    init(_ pointers: [(JSONPointer, Target)]) {
        nodes.append(Node(key: 0..<0, children: 0..<0, targets: 0..<0))
        for (_, target) in pointers { targetCount = max(targetCount, target.place + 1) }
        fill(0, depth: 0, with: pointers)
    }

    /// Gives a node all that these pointers, which lead through it, have there and below.
    private mutating func fill(_ node: Int, depth: Int, with pointers: [(pointer: JSONPointer, target: Target)]) {
        let firstTarget = targets.count
        var segments: [[UInt8]] = []
        for (pointer, target) in pointers {
            if pointer.segments.count == depth {
                targets.append(target)
            } else if !segments.contains(pointer.segments[depth]) {
                segments.append(pointer.segments[depth])
            }
        }
        nodes[node].targets = firstTarget..<targets.count
        let firstChild = nodes.count
        for segment in segments {
            nodes.append(Node(key: keys.count..<(keys.count + segment.count), children: 0..<0, targets: 0..<0))
            keys.append(contentsOf: segment)
        }
        nodes[node].children = firstChild..<nodes.count
        for (place, segment) in segments.enumerated() {
            let below = pointers.filter { $0.pointer.segments.count > depth && $0.pointer.segments[depth] == segment }
            fill(firstChild + place, depth: depth + 1, with: below)
        }
    }

    /// The child of a node under a decoded key.
    func child(of node: Int, _ bytes: Span<UInt8>, _ key: Range<Int>) -> Int? {
        let keys = keys.span
        for child in nodes[node].children where keys.isEqual(nodes[child].key, bytes, key) { return child }
        return nil
    }
}
