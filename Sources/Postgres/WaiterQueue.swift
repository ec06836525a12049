/// A first-in, first-out queue of ids whose members may leave from the middle, all in constant time on average.
struct WaiterQueue {
    /// Those that left are skipped when their turn comes.
    private var order: [Int] = []
    private var head = 0
    private var members: Set<Int> = []

    var count: Int { members.count }

    mutating func append(_ id: Int) {
        order.append(id)
        members.insert(id)
    }

    mutating func prepend(_ id: Int) {
        if head > 0 {
            head -= 1
            order[head] = id
        } else {
            order.insert(id, at: 0)
        }
        members.insert(id)
    }

    mutating func popFirst() -> Int? {
        defer { compact() }
        while head < order.count {
            let id = order[head]
            head += 1
            if members.remove(id) != nil { return id }
        }
        return nil
    }

    mutating func remove(_ id: Int) -> Bool {
        defer { compact() }
        return members.remove(id) != nil
    }

    mutating func removeAll() -> [Int] {
        defer {
            order.removeAll()
            head = 0
            members.removeAll()
        }
        return order[head...].filter { members.contains($0) }
    }

    private mutating func compact() {
        guard order.count > 64, order.count > 2 * members.count else { return }
        order = order[head...].filter { members.contains($0) }
        head = 0
    }
}
