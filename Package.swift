// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let configuration: Target.Dependency = .product(name: "Configuration", package: "swift-configuration")
let serviceLifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

// Arrows point down only (docs/architecture.md): a target that is not listed cannot be imported.
let package = Package(
    name: "sluice",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "sluice", targets: ["AdminCLI"]),
        .executable(name: "sluice-api", targets: ["IngestAPI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.15.0"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", "3.12.0"..<"5.0.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "Postgres", dependencies: ["CLibPQ"], swiftSettings: settings),
        .target(
            name: "EventCore",
            dependencies: [crypto, .product(name: "Yams", package: "Yams")],
            exclude: ["Templates"],
            swiftSettings: settings,
            plugins: ["EmbedText"]
        ),
        .target(
            name: "Access",
            dependencies: [
                "EventCore", crypto, .product(name: "JWTKit", package: "jwt-kit"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "EventStore",
            dependencies: ["CZlib", "Postgres", "EventCore", "Access", crypto],
            swiftSettings: settings
        ),
        .target(name: "Migrations", dependencies: ["Postgres", crypto], swiftSettings: settings, plugins: ["EmbedText"]),
        .target(name: "LocalCluster", swiftSettings: settings),
        .target(name: "PrometheusText", dependencies: [.product(name: "CoreMetrics", package: "swift-metrics")], swiftSettings: settings),
        .target(name: "LogLines", dependencies: [logging], swiftSettings: settings),
        .target(
            name: "PrivLogImport",
            dependencies: ["EventStore", "EventCore", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "IngestAPI",
            dependencies: [
                "CZlib", "EventStore", "EventCore", "Access", "Postgres", "Migrations", "PrometheusText", "LogLines", configuration,
                logging,
                serviceLifecycle,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            exclude: ["Templates"],
            swiftSettings: settings,
            plugins: ["EmbedText"]
        ),
        .executableTarget(
            name: "AdminCLI",
            dependencies: [
                "EventStore", "EventCore", "Access", "Postgres", "Migrations", "LocalCluster", "PrivLogImport", configuration, crypto,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings,
            plugins: ["EmbedText"]
        ),

        .target(
            name: "TestSupport",
            dependencies: ["LocalCluster", "Postgres", "Migrations"],
            path: "Tests/TestSupport",
            swiftSettings: settings
        ),
        .testTarget(name: "PostgresTests", dependencies: ["Postgres", "TestSupport"], swiftSettings: settings),
        .testTarget(name: "LocalClusterTests", dependencies: ["LocalCluster", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "PrometheusTextTests",
            dependencies: ["PrometheusText", .product(name: "CoreMetrics", package: "swift-metrics")],
            swiftSettings: settings
        ),
        .testTarget(name: "LogLinesTests", dependencies: ["LogLines", "TestSupport", logging], swiftSettings: settings),
        .testTarget(name: "EventCoreTests", dependencies: ["EventCore", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "AccessTests",
            dependencies: ["Access", "EventCore", crypto, .product(name: "CryptoExtras", package: "swift-crypto")],
            swiftSettings: settings
        ),
        .testTarget(
            name: "MigrationsTests",
            dependencies: ["Migrations", "Postgres", "LocalCluster", "TestSupport", "AdminCLI"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "EventStoreTests",
            dependencies: ["EventStore", "EventCore", "Access", "Postgres", "TestSupport"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "AdminCLITests",
            dependencies: [
                "AdminCLI", "EventStore", "EventCore", "Postgres", "LocalCluster", "TestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "IngestAPITests",
            dependencies: [
                "IngestAPI", "EventStore", "EventCore", "Postgres", "TestSupport",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "IngestAPI", "AdminCLI", "EventStore", "EventCore", "Access", "LocalCluster", "TestSupport", "Postgres",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                crypto,
            ],
            path: "Tests/EndToEnd",
            swiftSettings: settings
        ),

        .executableTarget(name: "embed-text", swiftSettings: settings),
        .plugin(name: "EmbedText", capability: .buildTool(), dependencies: ["embed-text"]),
    ]
)
