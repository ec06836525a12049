#!/usr/bin/env bash
# How often a record takes memory from the heap on its way to an event, by its schema's number of fields. Uses a release build (make build).
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$(swift build -c release --show-bin-path)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -O2 -c Benchmarks/allocations/count.c -o "$work/count.o"
# EventCore is compiled anew, with the count in its program; the libraries it uses are taken as they are.
objects=$(find "$bin" -name '*.o' \( -path '*/Yams.build/*' -o -path '*/CYaml.build/*' -o -path '*/Crypto.build/*' -o -path '*/CCryptoBoringSSL*.build/*' -o -path '*/CryptoBoringWrapper.build/*' -o -path '*/CXKCP*.build/*' \))
# shellcheck disable=SC2046,SC2086
swiftc -O -wmo -swift-version 6 -package-name sluice -module-name allocations -static-stdlib \
    -enable-upcoming-feature ExistentialAny -enable-upcoming-feature MemberImportVisibility -enable-upcoming-feature InternalImportsByDefault \
    -I "$bin/Modules" \
    $(find .build/checkouts -name module.modulemap -path '*/include/*' -exec printf '-Xcc -fmodule-map-file=%s ' {} \;) \
    $(find Sources/EventCore -name '*.swift') $(find .build/plugins/outputs -name '*.swift' -path '*/EventCore/*') \
    Benchmarks/allocations/main.swift $objects "$work/count.o" -lstdc++ -o "$work/allocations"
"$work/allocations"
