import EventStore
import Foundation

/// One entry of `WebhookCustomData`: what the app adds to each event, under `/custom_data`.
struct CustomDatum: Encodable, Sendable {
    let name: String
    let value: String

    /// Variables that MDM servers fill in for each device (Jamf Pro's names), by what schemas call such a field.
    private static let variables: [String: String] = [
        "serial": "$SERIALNUMBER", "serial_number": "$SERIALNUMBER", "serialnumber": "$SERIALNUMBER",
        "udid": "$UDID", "uuid": "$UDID", "hardware_uuid": "$UDID",
        "computer_name": "$COMPUTERNAME", "computername": "$COMPUTERNAME", "device_name": "$COMPUTERNAME", "hostname": "$COMPUTERNAME",
        "username": "$USERNAME", "full_name": "$FULLNAME", "fullname": "$FULLNAME", "email": "$EMAIL", "phone": "$PHONE",
        "department": "$DEPARTMENTNAME", "building": "$BUILDINGNAME", "room": "$ROOM", "position": "$POSITION", "site": "$SITENAME",
        "mac_address": "$MACADDRESS",
    ]

    /// What a schema reads from `/custom_data`, with the operator's values, else the MDM variable of that name.
    ///
    /// - Parameter document: a schema's canonical form; nil for none.
    /// - Returns: the entries by name, and the optional fields that nothing is known for.
    static func entries(document: String?, given: [String: String]) throws -> (entries: [CustomDatum], unknown: [String]) {
        var entries = given
        var unknown: [String] = []
        for field in try fields(document) where entries[field.name] == nil {
            if let variable = variables[field.name.lowercased()] {
                entries[field.name] = variable
            } else if field.isRequired {
                throw Failure(
                    "the schema requires /custom_data/\(field.name), and no MDM variable is known for it: say --custom-data '\(field.name)=$VARIABLE'",
                    exitCode: Failure.askedWrongly
                )
            } else {
                unknown.append(field.name)
            }
        }
        // A serial is what PrivLog's reads and most schemas look for; it costs nothing when nobody does.
        if document == nil, entries.isEmpty { entries["serial"] = variables["serial"] }
        return (entries.map { CustomDatum(name: $0.key, value: $0.value) }.sorted { $0.name < $1.name }, unknown)
    }

    private struct Field {
        let name: String
        let isRequired: Bool
    }

    /// Fields directly under `/custom_data`, with the member's name as the sender must write it.
    private static func fields(_ document: String?) throws -> [Field] {
        guard let document else { return [] }
        guard
            case .object(let members) = try JSONDecoder().decode(JSONNode.self, from: Data(document.utf8)),
            case .object(let fields)? = members["fields"]
        else { throw Failure("the schema in the database cannot be read") }
        return fields.values.flatMap { field -> [Field] in
            guard case .object(let rules) = field else { return [] }
            let isRequired = if case .flag(true)? = rules["required"] { true } else { false }
            // Several pointers are tried in order: the first that is custom data is the sender's.
            let pointers: [String]
            switch rules["from"] {
            case .text(let pointer): pointers = [pointer]
            case .array(let list): pointers = list.map(\.text)
            default: pointers = []
            }
            let name = pointers.lazy.compactMap(memberOfCustomData).first
            return name.map { [Field(name: $0, isRequired: isRequired)] } ?? []
        }
    }

    private static func memberOfCustomData(_ pointer: String) -> String? {
        let segments = pointer.split(separator: "/", omittingEmptySubsequences: false)
        guard segments.count == 3, segments[0].isEmpty, segments[1] == "custom_data", !segments[2].isEmpty else { return nil }
        return segments[2].replacingOccurrences(of: "~1", with: "/").replacingOccurrences(of: "~0", with: "~")
    }
}
