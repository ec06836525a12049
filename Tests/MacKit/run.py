#!/usr/bin/env python3
"""Runs the Mac kit's tests. The last line is "Mac kit: N passed, N failed, N skipped"; exit status 1 when one failed or none ran.

    python3 Tests/MacKit/run.py [--delivery] [TEST…]     # --delivery: only the scenarios from the log to the database (make fluent-bit)
"""
from __future__ import annotations

import pathlib
import sys
import unittest

FOLDER = pathlib.Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    sys.path.insert(0, str(FOLDER))
    sys.dont_write_bytecode = True
    loader = unittest.TestLoader()
    if names := [a for a in arguments if not a.startswith("--")]:
        suite = loader.loadTestsFromNames(names)
    else:
        suite = loader.discover(str(FOLDER), "test_delivery.py" if "--delivery" in arguments else "test_*.py")
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    # A test with several failing subtests is one test; one that failed before its class was set up counts as well.
    bad = {str(getattr(test, "test_case", test)): trace.rstrip().rsplit("\n", 1)[-1] for test, trace in [*result.failures, *result.errors]}
    bad |= {str(test): "it passed although that is not expected" for test in result.unexpectedSuccesses}
    for test, reason in bad.items():
        print(f"failed: Mac kit, {test}: {reason}")
    passed = max(0, result.testsRun - len(bad) - len(result.skipped))
    print(f"Mac kit: {passed} passed, {len(bad)} failed, {len(result.skipped)} skipped", flush=True)
    return 0 if passed and not bad else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
