import ServiceLifecycle
import UnixSignals

/// Looks at the certificate's files once a second, and at once when the process gets SIGHUP.
struct CertificateWatch: Service {
    private static let pause = Duration.seconds(1)

    let certificate: ServerCertificate

    func run() async throws {
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    for await _ in hangups { certificate.reload() }
                }
                group.addTask {
                    while !Task.isCancelled {
                        try? await Task.sleep(for: Self.pause)
                        certificate.look()
                    }
                }
            }
        }
    }
}
