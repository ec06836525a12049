import EventCore
import Foundation
import Postgres

/// What an act changed: members, before and after. Nothing that opens anything belongs in here: no key, no digest, no document.
///
/// ```swift
/// var changes = Changes()
/// changes.note("retention_days", from: before.retentionDays, to: after.retentionDays)
/// ```
package struct Changes: Sendable {
    /// What a member may hold.
    package enum Value: Sendable, Hashable, Encodable {
        case text(String)
        case number(Int64)
        case flag(Bool)
        case list([String])

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .number(let number): try container.encode(number)
            case .flag(let flag): try container.encode(flag)
            case .list(let list): try container.encode(list)
            }
        }
    }

    private struct Change: Encodable {
        var before: Value?
        var after: Value?
    }

    private var members: [String: Change] = [:]

    package init() {}

    /// A member that is as it was is left out.
    package mutating func note(_ member: String, from before: (any AuditValue)? = nil, to after: (any AuditValue)?) {
        let change = Change(before: before?.auditValue, after: after?.auditValue)
        if change.before != change.after { members[member] = change }
    }

    package var isEmpty: Bool { members.isEmpty }

    /// `{"retention_days":{"before":30,"after":90}}`; a member that was made has no `before`.
    var json: JSONB {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts, whole numbers and flags can always be written.
        return (try? encoder.encode(members)).map { JSONB(bytes: Array($0)) } ?? JSONB("{}")
    }
}

/// A value that may stand in the audit log.
package protocol AuditValue: Sendable {
    var auditValue: Changes.Value { get }
}

extension String: AuditValue {
    package var auditValue: Changes.Value { .text(self) }
}

extension Int: AuditValue {
    package var auditValue: Changes.Value { .number(Int64(self)) }
}

extension Bool: AuditValue {
    package var auditValue: Changes.Value { .flag(self) }
}

extension Timestamp: AuditValue {
    package var auditValue: Changes.Value { .text(rfc3339()) }
}

extension [String]: AuditValue {
    package var auditValue: Changes.Value { .list(self) }
}
