package import Foundation

package enum TestSupport {
    /// The folder of samples and corpora that is kept beside the repository: `SLUICE_SHARED`, or `../shared` from the package's root.
    /// nil when it is absent, which is said once and loudly.
    package static func sharedFolder() -> URL? { found }

    private static let found: URL? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let given = ProcessInfo.processInfo.environment["SLUICE_SHARED"].flatMap { $0.isEmpty ? nil : URL(filePath: $0) }
        let folder = given ?? root.deletingLastPathComponent().appending(path: "shared")
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: folder.path(percentEncoded: false), isDirectory: &isDirectory), isDirectory.boolValue {
            return folder
        }
        let warning = """

            ****************************************************************************************************
            ** \(folder.path(percentEncoded: false)) is absent: the tests that need its samples are LEFT OUT.
            ** Set SLUICE_SHARED to the folder to run them.
            ****************************************************************************************************

            """
        FileHandle.standardError.write(Data(warning.utf8))
        return nil
    }()
}
