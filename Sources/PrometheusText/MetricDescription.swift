/// What is said of a metric beside its numbers.
package struct MetricDescription: Sendable {
    package let name: String
    package let help: String
    /// A histogram's upper bounds, growing; nil takes the registry's.
    package let bounds: [Double]?

    package init(_ name: String, _ help: String, bounds: [Double]? = nil) {
        self.name = name
        self.help = help
        self.bounds = bounds
    }
}
