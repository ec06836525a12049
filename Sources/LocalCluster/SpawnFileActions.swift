internal import Foundation

/// Two calls of glibc (2.34 and 2.29) that its headers hide from Swift, which does not define `_GNU_SOURCE`; so looked up by name.
enum SpawnFileActions {
    typealias Actions = UnsafeMutablePointer<posix_spawn_file_actions_t>

    static func closeAll(from descriptor: Int32, _ actions: Actions) throws {
        typealias Call = @convention(c) (Actions, Int32) -> Int32
        let call = unsafeBitCast(try symbol("posix_spawn_file_actions_addclosefrom_np"), to: Call.self)
        _ = call(actions, descriptor)
    }

    static func changeDirectory(to path: String, _ actions: Actions) throws {
        typealias Call = @convention(c) (Actions, UnsafePointer<CChar>) -> Int32
        let call = unsafeBitCast(try symbol("posix_spawn_file_actions_addchdir_np"), to: Call.self)
        _ = path.withCString { call(actions, $0) }
    }

    private static func symbol(_ name: String) throws -> UnsafeMutableRawPointer {
        guard let found = dlsym(nil, name) else {
            throw LocalClusterError(.spawnFailed, "This system's C library lacks \(name): glibc 2.34 or newer is needed.")
        }
        return found
    }
}
