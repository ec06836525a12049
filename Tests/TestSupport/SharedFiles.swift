import Foundation

/// Files that only the project's workplace has: `$SLUICE_SHARED`, else `../shared` from the package's root.
package enum SharedFiles {
    private static let root: URL = {
        if let path = ProcessInfo.processInfo.environment["SLUICE_SHARED"] { return URL(filePath: path) }
        let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return package.deletingLastPathComponent().appending(path: "shared")
    }()

    /// The files of a folder by name, or nil, said loudly, when there is no such folder.
    package static func folder(_ path: String) throws -> [(name: String, bytes: [UInt8])]? {
        let folder = root.appending(path: path)
        guard FileManager.default.fileExists(atPath: folder.path(percentEncoded: false)) else {
            print(
                "\n*** LEFT OUT: no \(folder.path(percentEncoded: false)) here; the tests on these files have checked NOTHING. Set SLUICE_SHARED. ***\n"
            )
            return nil
        }
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .sorted { $0.lastPathComponent < $1.lastPathComponent }
            .map { ($0.lastPathComponent, Array(try Data(contentsOf: $0))) }
    }
}
