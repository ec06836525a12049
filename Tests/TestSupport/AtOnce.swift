import Foundation
package import Testing

/// Bounds how many tests with servers and databases of their own run at the same moment: all at once, they would time each other out.
package struct AtOnce: SuiteTrait, TestTrait, TestScoping {
    package var isRecursive: Bool { true }

    private static let permits = Permits(max(4, ProcessInfo.processInfo.activeProcessorCount * 3))

    package func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        // A suite is no test: what it holds would be its tests'.
        guard testCase != nil else { return try await function() }
        await Self.permits.take()
        do {
            try await function()
        } catch {
            await Self.permits.give()
            throw error
        }
        await Self.permits.give()
    }
}

extension Trait where Self == AtOnce {
    /// For suites whose tests start servers or make databases.
    package static var fewAtOnce: AtOnce { AtOnce() }
}

/// First come, first served.
private actor Permits {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ count: Int) {
        free = count
    }

    func take() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    func give() {
        if waiting.isEmpty {
            free += 1
        } else {
            waiting.removeFirst().resume()
        }
    }
}
