#!/bin/sh
# swift build with the arguments given, begun again when the package manager itself crashed, at most twice.
# While it fetches packages it starts many processes at once, and libdispatch on Linux frees what it watches of one too early now and then:
# https://github.com/swiftlang/swift-corelibs-libdispatch/issues/949. What was fetched and built by then stays; a source that does not compile,
# or a compiler that crashes, is an exit status of its own and ends this at once.
set -u
for _ in 1 2; do
    status=0
    swift build "$@" || status=$?
    case $status in
        132 | 133 | 134 | 135 | 139) echo "swift build: killed by signal $((status - 128)), begun again" >&2 ;; # ILL, TRAP, ABRT, BUS, SEGV
        *) exit "$status" ;;
    esac
done
exec swift build "$@"
