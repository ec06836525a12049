/// Waits for something that other processes do: asks again and again until it holds. False when the time is over.
package func eventually(within limit: Duration = .seconds(10), _ holds: () async throws -> Bool) async throws -> Bool {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: limit)
    while true {
        if try await holds() { return true }
        guard clock.now < end else { return false }
        try await clock.sleep(for: .milliseconds(10))
    }
}
