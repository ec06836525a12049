import Configuration
import Foundation

/// Where the listener's certificate and its key are (`TLS_CERT`, `TLS_KEY`): two PEM files, which whoever renews certificates writes over.
struct TLSFiles: Sendable, Equatable {
    /// The server's own certificate first, then those that lead to its issuer.
    let certificate: String
    let key: String

    /// Nil when neither is set: the listener speaks plain HTTP.
    static func read(_ config: ConfigReader) throws -> TLSFiles? {
        func path(_ name: String) -> String? { config.string(forKey: ConfigKey(name)).flatMap { $0.isEmpty ? nil : $0 } }
        switch (path("tls.cert"), path("tls.key")) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return TLSFiles(certificate: certificate, key: key)
        default:
            throw APIConfiguration.Invalid(
                description: "TLS_CERT and TLS_KEY go together: the PEM files of the server's certificate chain and of its key"
            )
        }
    }

    /// What tells one state of the two files from another without reading them; renewals replace files, links and folders of links.
    struct Stamp: Sendable, Equatable {
        struct File: Sendable, Equatable {
            let device: Int
            let number: Int
            let size: Int
            let modifiedAt: Date
        }

        /// Nil: it is not there.
        let certificate: File?
        let key: File?
    }

    var stamp: Stamp { Stamp(certificate: Self.stamp(of: certificate), key: Self.stamp(of: key)) }

    private static func stamp(of path: String) -> Stamp.File? {
        guard let facts = try? facts(of: path) else { return nil }
        return Stamp.File(
            device: facts[.systemNumber] as? Int ?? 0,
            number: facts[.systemFileNumber] as? Int ?? 0,
            size: facts[.size] as? Int ?? 0,
            modifiedAt: facts[.modificationDate] as? Date ?? .distantPast
        )
    }

    /// A file's bytes, and whether everybody on this machine may read them.
    ///
    /// - Parameter variable: the setting that names the file, for the error; nothing of the file itself is in it.
    static func contents(of path: String, named variable: String) throws(TLSPair.Unusable) -> (bytes: [UInt8], isOpenToAll: Bool) {
        do {
            let facts = try facts(of: path)
            guard facts[.type] as? FileAttributeType == .typeRegular else { throw TLSPair.Unusable("\(variable) is no file: \(path)") }
            // Opened without waiting: a pipe that has come in its place must not hold the server up.
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else {
                throw TLSPair.Unusable("\(variable) cannot be read: \(path): \(String(cString: strerror(errno)))")
            }
            let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
            let data = try file.read(upToCount: largestFile + 1) ?? Data()
            guard data.count <= largestFile else { throw TLSPair.Unusable("\(variable) is larger than 1 MiB: \(path)") }
            return (Array(data), (facts[.posixPermissions] as? Int ?? 0) & 0o004 != 0)
        } catch let unusable as TLSPair.Unusable {
            throw unusable
        } catch {
            throw TLSPair.Unusable("\(variable) cannot be read: \(path): \(error.localizedDescription)")
        }
    }

    /// Of what a link leads to.
    private static func facts(of path: String) throws -> [FileAttributeKey: Any] {
        let target = URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false)
        return try FileManager.default.attributesOfItem(atPath: target)
    }

    private static let largestFile = 1 << 20
}
