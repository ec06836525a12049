#!/usr/bin/env bash
# Builds and runs all tests: Swift's, the Mac kit's, the fast ones of the fault suite, schemathesis. It ends with a line "failed: …" for each that failed, and "N passed, N failed" as the last one,
# counted in the report that the run writes; exit status 1 when one failed, when none ran, or when the run did not come to its end.
# SWIFT_BUILD_FLAGS and TEST_FLAGS come from the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."

read -r -a build_flags <<< "${SWIFT_BUILD_FLAGS:-}"
read -r -a test_flags <<< "${TEST_FLAGS:-}"
mkdir -p .build
report=.build/tests.xml
rm -f "$report"
# Where the tests put what find-secrets.sh looks through.
SLUICE_TEST_RUN=$(mktemp -d)
export SLUICE_TEST_RUN
trap 'rm -rf "$SLUICE_TEST_RUN"' EXIT
mkdir "$SLUICE_TEST_RUN/logs"
# What failed, a line each: the end of a long log is what people look at first.
failures=$SLUICE_TEST_RUN/failures
: > "$failures"

# Most tests have servers of their own: many at once only make each other wait.
: "${SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH:=8}"
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH
scripts/swift-build.sh --build-tests ${build_flags[@]+"${build_flags[@]}"}
status=0
# All tests are Swift Testing's: with XCTest on, its "Executed 0 tests" would end the output.
swift test --skip-build --disable-xctest --xunit-output "$report" \
    ${build_flags[@]+"${build_flags[@]}"} ${test_flags[@]+"${test_flags[@]}"} || status=$?

if [ ! -s "$report" ]; then
    echo "failed: the run did not come to its end (swift test: exit status $status): see above for the test that stopped it"
    echo "0 passed, 1 failed"
    exit 1
fi
# The report's own "failures" counts expectations; we count tests.
counts=$(awk '
    /<testcase / { ran++; bad = 0 }
    /<failure / && !bad { failed++; bad = 1 }
    /<skipped/ { skipped++ }
    END { printf "%d %d %d", ran - failed - skipped, failed, skipped }
' "$report")
read -r passed failed skipped <<< "$counts"
swift_failed=$failed
awk '
    function attribute(name) { return match($0, " " name "=\"[^\"]*\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : "" }
    /<testcase / { test = attribute("classname") " " attribute("name") }
    /<failure / && test != "" { print "failed: " test ": " substr(attribute("message"), 1, 400); test = "" }
' "$report" | sed "s/&quot;/\"/g; s/&apos;/'/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g" >> "$failures"

# One more test: no secret of the whole run is in any log of it. A filtered run may have had none.
if [ -s "$SLUICE_TEST_RUN/secrets" ] || [[ ${TEST_FLAGS:-} != *--filter* && ${TEST_FLAGS:-} != *--skip* ]]; then
    if scripts/find-secrets.sh "$SLUICE_TEST_RUN"; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "failed: find-secrets: a secret of this run is in a log of it: see above" >> "$failures"
    fi
fi

# Runs a suite that is no Swift, and adds what its closing line counts: "NAME: N passed, N failed, N skipped", or "N left out". Above that, it has a line "failed: …" for each that failed.
count_suite() {
    local name=$1 log suite_status=0 suite_passed suite_failed suite_skipped
    shift
    log=$(mktemp)
    "$@" 2>&1 | tee "$log" || suite_status=$?
    # Without its closing line it came to no end, which is one failure.
    read -r suite_passed suite_failed suite_skipped <<< "$(
        sed -nE "s/^$name: ([0-9]+) passed, ([0-9]+) failed, ([0-9]+) (skipped|left out).*$/\\1 \\2 \\3/p" "$log" | tail -n 1 | grep . || echo 0 1 0
    )"
    if [ "$suite_status" -ne 0 ] && [ "$suite_failed" -eq 0 ]; then suite_failed=1; fi
    if [ "$suite_failed" -gt 0 ]; then grep '^failed: ' "$log" >> "$failures" || echo "failed: $name: exit status $suite_status: see above" >> "$failures"; fi
    rm -f "$log"
    passed=$((passed + suite_passed)) failed=$((failed + suite_failed)) skipped=$((skipped + suite_skipped))
}

# These are in Python, and start the programs that were built above. A filtered run is about Swift.
if [[ ${TEST_FLAGS:-} != *--filter* && ${TEST_FLAGS:-} != *--skip* ]]; then
    : "${SLUICE_BIN:=$(swift build --show-bin-path)}"
    export SLUICE_BIN
    count_suite "Mac kit" python3 -B Tests/MacKit/run.py
    count_suite faults python3 -B Tests/Faults/faults.py --short
    count_suite OpenAPI python3 -B Tests/OpenAPI/run.py
fi

if [ "$skipped" -gt 0 ]; then echo "$skipped skipped (each with its reason above)"; fi
if [ "$status" -ne 0 ] && [ "$swift_failed" -eq 0 ]; then
    echo "failed: swift test ended with exit status $status although no test failed: see above" >> "$failures"
fi
if [ $((passed + failed)) -eq 0 ]; then
    echo "failed: no test ran" >> "$failures"
    status=1
fi
cat "$failures"
echo "$passed passed, $failed failed"
[ "$status" -eq 0 ] && [ "$failed" -eq 0 ]
