import Foundation

/// Reads backups again, with all that they need to be restored: their own files, and the archived months that they name. A month that several name is
/// read once.
struct BackupCheck {
    private var wholeMonths: Set<String> = []

    /// - Returns: the archived months' folders, in order.
    /// - Throws: `Failure` that says what is missing or damaged.
    mutating func check(_ entry: BackupFolder.Entry, _ manifest: BackupManifest) throws -> [String] {
        try Checksum.verify(manifest, in: entry.path)
        // Beside the backup, wherever both were moved to.
        let parent = URL(filePath: entry.path).deletingLastPathComponent().path(percentEncoded: false)
        let months = BackupFolder(path: parent.hasSuffix("/") ? String(parent.dropLast()) : parent).monthsPath
        return try manifest.months.map { month in
            let path = "\(months)/\(month.folder)"
            guard let sum = try? Checksum.file("\(path)/\(BackupManifest.fileName)"), sum.sha256 == month.sha256 else {
                throw Failure("\(path) is missing or not the one that \(entry.name) was made with")
            }
            if !wholeMonths.contains(path) {
                try Checksum.verify(try BackupManifest.read(path), in: path)
                wholeMonths.insert(path)
            }
            return path
        }
    }

    /// What is wrong with each of them, in words; those that never came to their end are none.
    mutating func faults(_ entries: [BackupFolder.Entry]) -> [String] {
        entries.compactMap { entry in
            guard !entry.isUnreadable else { return "\(entry.path): its manifest cannot be read" }
            guard let manifest = entry.manifest else { return nil }
            do {
                _ = try check(entry, manifest)
                return nil
            } catch {
                return "\(entry.name): \((error as? Failure)?.description ?? error.localizedDescription)"
            }
        }
    }
}
