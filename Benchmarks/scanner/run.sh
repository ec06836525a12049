#!/usr/bin/env bash
# The server's scanner beside simdjson, on 40,000 records of the SAP client's kind. Needs g++ and libsimdjson-dev (Debian).
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sources=../../Sources/EventCore
swiftc -O -wmo -package-name scanner "$sources"/JSONTape*.swift "$sources"/JSON{Error,Token}.swift "$sources"/KeySet.swift main.swift -o "$work/tape"
g++ -O3 -std=c++17 simdjson.cpp -lsimdjson -o "$work/simdjson"
python3 - > "$work/records" << 'PYTHON'
import json
import uuid
for number in range(40_000):
    print(json.dumps({
        "admin": True, "custom_data": {"serial": f"C02X8XXX{number % 10_000:04}", "building": "Walldorf/03"}, "delayed": False,
        "event": "corp.sap.privileges.granted", "expires": "2026-11-21T15:00:00Z", "machine": str(uuid.UUID(int=number ** 5)).upper(),
        "reason": f"Install Xcode / CLT {number}", "timestamp": f"2026-11-21T14:00:{number % 60:02}Z", "user": f"john.doe{number}",
    }, separators=(",", ":")))
PYTHON
for _ in 1 2 3; do
    "$work/tape" "$work/records"
    "$work/simdjson" "$work/records"
done
