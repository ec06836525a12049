#!/bin/sh
# Fuzzes EventCore's scanner and reader with libFuzzer. Arguments go to libFuzzer: Tests/Fuzz/run.sh -max_total_time=600
# FUZZ_CORPUS names a folder of inputs to start from and to keep new ones in; FUZZ_SANITIZERS more than the fuzzer itself.
set -eu
cd "$(dirname "$0")/../.."
out=.build/fuzz
# Built apart: all objects that are found are linked, so there must be none but those that EventCore needs.
scratch=$out/build
scripts/swift-build.sh --scratch-path "$scratch" -c release --target EventCore
bin=$(swift build --scratch-path "$scratch" -c release --show-bin-path)
corpus=${FUZZ_CORPUS:-$out/corpus}
mkdir -p "$out" "$corpus"

# A first input of each framing, so that the fuzzer need not find out what an event looks like.
record='{"id":7,"event":"e","timestamp":"2026-11-06T17:04:31Z","user":"u","custom_data":{"serial":"s","x":[1.5,null]},"n":1e3,"l":["a"]}'
printf '%s' "@$record" > "$corpus/one"
printf '%s' "B[$record, $record]" > "$corpus/array"
printf '%s\n{"a":1,\n%s\r\n' "C$record" "$record" > "$corpus/lines"
printf '%s' "D$record$record" > "$corpus/stream"
printf '%s' 'H{"a":"a record of more than forty bytes, refused"}{}' > "$corpus/large"

# EventCore is compiled anew, instrumented; the libraries it uses are taken as they are.
objects=$(find "$bin" -name '*.o' -path '*.build/*' ! -path '*/EventCore*' ! -path '*/embed*' ! -path '*-tool*' ! -path '*/bench*')
# shellcheck disable=SC2046,SC2086
swiftc -O -swift-version 6 -parse-as-library -package-name sluice -module-name EventCore -sanitize=fuzzer${FUZZ_SANITIZERS:-} \
    -enable-upcoming-feature ExistentialAny -enable-upcoming-feature MemberImportVisibility \
    -enable-upcoming-feature InternalImportsByDefault \
    -I "$bin/Modules" \
    $(find $scratch/checkouts -name module.modulemap -path '*/include/*' -exec printf '-Xcc -fmodule-map-file=%s ' {} \;) \
    $(find Sources/EventCore -name '*.swift') $(find $scratch/plugins/outputs -name '*.swift' -path '*/EventCore/*') \
    Tests/Fuzz/FuzzReader.swift $objects -lstdc++ -o "$out/fuzz-reader"

exec "$out/fuzz-reader" -timeout=10 -max_len=4096 -artifact_prefix="$out/" -dict=Tests/Fuzz/json.dict "$@" "$corpus"
