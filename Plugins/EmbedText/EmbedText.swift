import Foundation
import PackagePlugin

/// Compiles text files into a target, so that one binary deploys: `sql/*.sql` into `Migrations`, the Mac kit of `client/macos` into
/// `AdminCLI`, `Templates/*.yaml` into any other target that has such a folder.
@main
struct EmbedText: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let folder =
            switch target.name {
            case "Migrations": context.package.directoryURL.appending(path: "sql")
            case "AdminCLI": context.package.directoryURL.appending(path: "client/macos")
            default: target.directoryURL.appending(path: "Templates")
            }
        let files = try FileManager.default
            .contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { ["sql", "yaml", "sh", "conf", "plist", "md"].contains($0.pathExtension) }
            .sorted { $0.lastPathComponent < $1.lastPathComponent }
        let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedText.swift")
        return [
            .buildCommand(
                displayName: "Embedding \(files.count) text files into \(target.name)",
                executable: try context.tool(named: "embed-text").url,
                arguments: [output.path(percentEncoded: false), folder.path(percentEncoded: false)],
                // The folder too: a file that is new in it changes its date.
                inputFiles: files + [folder],
                outputFiles: [output]
            )
        ]
    }
}
