/// Waits for something that other processes do: asks again and again until it holds. False when the time is over.
///
/// The limit is there so that a test ends; it says nothing about how soon something has to be, for machines differ.
package func eventually(within limit: Duration = .seconds(30), _ holds: () async throws -> Bool) async throws -> Bool {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: limit)
    while true {
        if try await holds() { return true }
        guard clock.now < end else { return false }
        try await clock.sleep(for: .milliseconds(10))
    }
}
