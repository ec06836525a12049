#!/usr/bin/env python3
"""Runs schemathesis over the OpenAPI description against a server of its own, with keys that open every route.

    python3 Tests/OpenAPI/run.py [--examples 25] [--seed 1] [--seconds 240]

The description is the one in the sources, which the server hands out as it was built. The last line is
"OpenAPI: N passed, N failed, N skipped", counted in routes; exit status 1 when one failed or none ran. What schemathesis found is above it,
with a curl that shows it again. Needs scripts/setup.sh test.
"""
from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
sys.path.insert(0, str(ROOT / "Tests" / "MacKit"))
sys.dont_write_bytecode = True

from harness import Server  # noqa: E402

DESCRIPTION = ROOT / "Sources/IngestAPI/Templates/openapi.yaml"
PROGRAM = ROOT / ".build/venv/bin/schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"


def program() -> str:
    """SCHEMATHESIS names it where it is elsewhere."""
    found = os.environ.get("SCHEMATHESIS") or str(PROGRAM)
    if not os.access(found, os.X_OK):
        raise SystemExit(f"there is no {found}: run scripts/setup.sh test, or name schemathesis with SCHEMATHESIS")
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="schemathesis over the OpenAPI description")
    parser.add_argument("--examples", type=int, default=25, help="of each route (25)")
    parser.add_argument("--seconds", type=int, default=240, help="after which it is broken off, and has failed (240)")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    server, report = Server(), pathlib.Path(tempfile.mkdtemp(prefix="openapi-"))
    try:
        server.start()
        status = run(server, report, asked)
        return count(report / "junit.xml", status)
    finally:
        server.stop()
        shutil.rmtree(report)


def run(server: Server, report: pathlib.Path, asked: argparse.Namespace) -> int:
    command = [
        program(), "--config-file", str(FOLDER / "schemathesis.toml"), "run", str(DESCRIPTION), "--url", f"http://127.0.0.1:{server.port}",
        "--checks", CHECKS, "--seed", str(asked.seed), "--max-examples", str(asked.examples),
        "--report", "junit", "--report-junit-path", str(report / "junit.xml"), "--no-color",
    ]
    # Keys go by environment, never on a command line or into a file.
    keys = {"SLUICE_ADMIN_KEY": server.demo["admin_key"], "SLUICE_HOOK_KEY": server.demo["hook_key"]}
    try:
        return subprocess.run(command, cwd=report, env=server.environment | keys, stdin=subprocess.DEVNULL, timeout=asked.seconds, check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"schemathesis has not ended after {asked.seconds} s")
        return 1


def count(report: pathlib.Path, status: int) -> int:
    passed = failed = skipped = 0
    if report.exists():
        for case in ElementTree.parse(report).iter("testcase"):
            faults = [child for child in case if child.tag in {"failure", "error"}]
            if faults:
                failed += 1
                what = " ".join(f"{faults[0].get('message', '')} {faults[0].text or ''}".split())
                print(f"failed: OpenAPI, {case.get('name')}: {what[:300]}")
            elif any(child.tag == "skipped" for child in case):
                skipped += 1
            else:
                passed += 1
    if status and not failed:
        failed = 1
        print(f"failed: OpenAPI: schemathesis ended with exit status {status}")
    print(f"OpenAPI: {passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
