import EventCore
import EventStore
import Testing

@Suite struct SourceDirectoryTests {
    /// The first event of a new source may come in the moment after its tenant's sources were read.
    @Test func findsASourceThatWasMadeAMomentAfterTheOthersWereRead() async throws {
        let fixture = try await Fixture.make()
        let directory = SourceDirectory(fixture.database, timeout: .seconds(5))
        for slug in ["first", "second", "third"] {
            #expect(try await directory.source(of: fixture.acme.id) { $0.slug == slug } == nil)
            _ = try await fixture.administration.createSource(tenant: "acme", slug: slug, profile: .generic, schemaName: nil)
            #expect(try await directory.source(of: fixture.acme.id) { $0.slug == slug }?.slug == slug)
        }
        #expect(directory.known(of: fixture.acme.id) { $0.slug == "third" } != nil)
    }
}
