import Foundation

/// What lies under a path, links not followed.
struct FileFacts: Sendable {
    let isFolder: Bool
    let isFile: Bool
    let modifiedAt: Date

    /// Nil when nothing is there.
    init?(_ path: String) {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else { return nil }
        let type = attributes[.type] as? FileAttributeType
        isFolder = type == .typeDirectory
        isFile = type == .typeRegular
        modifiedAt = attributes[.modificationDate] as? Date ?? .distantPast
    }
}
