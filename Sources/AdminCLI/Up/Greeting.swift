/// What `sluice up` says when all is running.
enum Greeting {
    static func text(_ demo: DemoFile, home: Home) -> String {
        """

        Sluice is up at \(demo.baseURL). Ctrl-C stops it; what is stored stays.

        Send an event, as a Mac with SAP Privileges would:
          curl --json @docs/examples/granted.json \(demo.hookURL)
        Read it back:
          curl -H 'Authorization: Bearer \(demo.queryKey)' '\(demo.baseURL)/v1/events?actor=john.doe'
        Look into the database:
          psql '\(demo.databaseURL)'

        Keys of the tenant \(demo.tenant) (also in \(home.demoFile)):
          hook    \(demo.hookKey)
          ingest  \(demo.ingestKey)
          query   \(demo.queryKey)
          admin   \(demo.adminKey)

        """
    }
}
