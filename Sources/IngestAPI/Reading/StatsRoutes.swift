import Access
import EventCore
import EventStore
import Hummingbird

/// `GET /v1/stats`: how many events there are, by time and by value.
struct StatsRoutes: Sendable {
    let reader: EventReader
    let requestDeadline: Duration

    func stats(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        let query = try await EventQuery(request, of: grant, reader: reader, besides: ["bucket", "top", "limit"])
        let bucket = try query.parameters.choice("bucket", of: EventCounts.Bucket.self)
        let value = try Self.value(query)
        let most = try query.parameters.integer("limit", in: 1...1000) ?? 10
        guard query.filter.order == .newestFirst else {
            throw Problem(.badRequest, .invalidParameter, "The newest events are counted first: order=asc has no meaning here.")
        }
        let counts = try await reader.counts(
            of: grant.tenant,
            retentionDays: grant.retentionDays,
            filter: query.filter,
            bucket: bucket ?? (value == nil ? .day : nil),
            value: value,
            now: .now(),
            deadline: .now + requestDeadline
        )
        var json = JSONWriter()
        json.object { json in
            json.member("rows", counts.rows)
            json.member("complete", json: Array("\(counts.isComplete)".utf8))
            json.member("maximum_rows", EventCounts.maximumRows)
            json.member("oldest", counts.oldest?.rfc3339())
            json.member("newest", counts.newest?.rfc3339())
            if bucket != nil || value == nil { json.buckets(counts) }
            if value != nil { json.top(counts, most) }
        }
        return Reply.json(json.buffer).response
    }

    private static func value(_ query: EventQuery) throws -> EventCounts.Value? {
        switch try query.parameters.text("top") {
        case nil: return nil
        case "type": return .type
        case "actor": return .actor
        case "machine": return .machine
        case let name?:
            guard query.schemas.fieldNames.contains(name) else {
                throw Problem(.badRequest, .invalidParameter, "The parameter top is type, actor, machine or a field of a schema.")
            }
            return .field(name)
        }
    }
}

extension JSONWriter {
    fileprivate mutating func buckets(_ counts: EventCounts) {
        member("buckets") { json in
            json.array { json in
                for bucket in counts.buckets {
                    json.element { json in
                        json.object { json in
                            json.member("start", bucket.start.rfc3339())
                            json.member("count", bucket.count)
                        }
                    }
                }
            }
        }
    }

    fileprivate mutating func top(_ counts: EventCounts, _ most: Int) {
        member("top") { json in
            json.array { json in
                for one in counts.top(most) {
                    json.element { json in
                        json.object { json in
                            json.member("value", one.value)
                            json.member("count", one.count)
                        }
                    }
                }
            }
        }
        member("distinct", counts.distinctValues)
        member("without", counts.without)
    }
}
