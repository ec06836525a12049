import HTTPTypes
import LogLines
import Metrics

/// Where every answered request is written down, whichever way it went: counted, timed, and told in the access log.
final class RequestLedger: Sendable {
    private struct Key: Hashable {
        let method: String
        let path: String
    }

    private let routes: [Key: RouteSeries]
    private let unrouted = RouteSeries(method: "-", path: "-")
    /// Nil: no access lines are wanted.
    private let log: LogQueue?

    init(_ routes: [Route], log: LogQueue?) {
        self.log = log
        var series: [Key: RouteSeries] = [:]
        for route in routes {
            var methods = [route.method]
            if route.method == .get { methods.append(.head) }
            for method in methods {
                series[Key(method: method.rawValue, path: route.path)] = RouteSeries(method: method.rawValue, path: route.path)
            }
        }
        self.routes = series
    }

    /// The route's series; one for all that is no route.
    func route(_ method: HTTPRequest.Method, _ path: String?) -> RouteSeries {
        path.flatMap { routes[Key(method: method.rawValue, path: $0)] } ?? unrouted
    }

    func note(_ record: RequestRecord) {
        record.route.count(status: record.status, duration: record.duration)
        log?.add(record)
    }
}

/// A route's counters, made once: their labels are the route table's own words, and nothing of a request's.
final class RouteSeries: Sendable {
    let method: String
    let path: String
    private let answered: [Counter]
    private let closed: Counter
    private let duration: Timer

    init(method: String, path: String) {
        self.method = method
        self.path = path
        let labels = [("method", method), ("route", path)]
        func counter(_ status: String) -> Counter { Counter(label: "sluice_requests_total", dimensions: labels + [("status", status)]) }
        answered = ["2xx", "3xx", "4xx", "5xx"].map(counter)
        closed = counter("closed")
        duration = Timer(label: "sluice_request_duration_seconds", dimensions: labels)
    }

    func count(status: Int?, duration: Duration) {
        if let status {
            answered[min(max(status / 100 - 2, 0), 3)].increment()
        } else {
            closed.increment()
        }
        self.duration.recordNanoseconds(duration.nanoseconds)
    }
}
