// swift-tools-version:6.2
import PackageDescription

/// Swift 6 language mode comes with the tools version; every warning in the project's own code is an error.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "varve",
    products: [
        .executable(name: "varve", targets: ["VarveCommand"]),
        .library(name: "Varve", targets: ["Varve"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", exact: "0.6.0"),
    ],
    targets: [
        // No pkgConfig: its -L flags would come before the static libraries of a self-contained build.
        .systemLibrary(name: "CB2", providers: [.apt(["libb2-dev"])]),
        .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CSys"),

        .target(name: "VarveFormat", swiftSettings: strict),
        .target(
            name: "Varve",
            dependencies: [
                "VarveFormat", "CB2", "CZstd", "CSys",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        .target(
            name: "VarveApp",
            dependencies: [
                "Varve", "VarveFormat", "CSQLite", "CSys", .product(name: "TOMLKit", package: "TOMLKit"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "VarveCommand",
            dependencies: [
                "VarveApp", "Varve", "VarveFormat", "CSys",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        // Here and not in a package of its own, because it measures what only this package can see. No product has it.
        .executableTarget(
            name: "MicroBenchmarks", dependencies: ["Varve", "VarveFormat", "CSys"], path: "Benchmarks/Micro",
            swiftSettings: strict),

        .testTarget(
            name: "VarveFormatTests", dependencies: ["VarveFormat"], exclude: ["Vectors"], swiftSettings: strict),
        .testTarget(
            name: "VarveTests", dependencies: ["Varve", "VarveFormat", "CB2", "CZstd", "CSys"], swiftSettings: strict),
        .testTarget(
            name: "VarveAppTests", dependencies: ["VarveApp", "Varve", "VarveFormat", "CSQLite", "CSys"],
            swiftSettings: strict),
        .testTarget(
            name: "VarveCommandTests", dependencies: ["Varve", "VarveFormat", "CSQLite", "CSys"],
            swiftSettings: strict),
        // The protocol of sessions and collection as a model: it depends on nothing of the engine.
        .testTarget(name: "ModelTests", swiftSettings: strict),
        .testTarget(name: "TidyTests", swiftSettings: strict),
    ])
