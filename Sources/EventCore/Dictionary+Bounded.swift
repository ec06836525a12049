extension Dictionary {
    /// Sets a value; a dictionary that is full loses a tenth of the others for it, so that not every value makes room anew.
    package mutating func set(_ value: Value, for key: Key, most: Int) {
        if count >= most, self[key] == nil {
            for old in Array(keys.prefix(Swift.max(1, most / 10))) { self[old] = nil }
        }
        self[key] = value
    }
}
