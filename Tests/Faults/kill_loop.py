#!/usr/bin/env python3
"""Kills the API and PostgreSQL's backends with -9 in a loop while 32 clients send; then every acknowledged event must be in the
table exactly once, and so must every one that was sent again until it was acknowledged.

    python3 Tests/Faults/kill_loop.py [seconds]      # 60; a release build, loopback only

A backend that is killed makes PostgreSQL restart with crash recovery. The API is one of the script's own, started again each time.
"""
from __future__ import annotations

import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / ".build" / "release"
CLIENTS = 32
PATIENCE = 120.0  # seconds that one request is sent again for


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Installation:
    """`sluice up` in a scratch home, for its PostgreSQL and its demo tenant."""

    def __init__(self) -> None:
        self.home = tempfile.mkdtemp(prefix="kl-", dir="/tmp")
        os.chmod(self.home, 0o755)
        port = free_port()
        environment = {**os.environ, "SLUICE_HOME": self.home, "LISTEN": f"127.0.0.1:{port}"}
        self.process = subprocess.Popen([PROGRAMS / "sluice", "up"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        self.demo = self.wait_until_ready(port)

    def wait_until_ready(self, port: int) -> dict[str, str]:
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            try:
                probe = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                probe.request("GET", "/readyz")
                if probe.getresponse().status == 200:
                    return json.loads(pathlib.Path(self.home, "demo.json").read_text())
            except OSError:
                time.sleep(0.1)
        raise SystemExit("sluice up is not ready")

    def psql(self, sql: str) -> list[str]:
        command = ["psql", self.demo["database_url"], "-qXAtc", sql]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n")

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.home, ignore_errors=True)


class Server:
    """The API that is killed."""

    def __init__(self, installation: Installation) -> None:
        self.port = free_port()
        parameters = installation.demo["database_url"].split("?", 1)[1]
        url = f"postgresql://sluice_api@/sluice?{parameters}"
        listen = f"127.0.0.1:{self.port}"
        self.environment = {**os.environ, "DATABASE_URL": url, "LISTEN": listen, "REQUEST_DEADLINE": "5s", "LOG_LEVEL": "critical"}
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([PROGRAMS / "sluice-api"], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Journal:
    """What the clients know."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.acknowledged: list[str] = []
        self.failures: list[str] = []
        self.tries_in_vain = 0


def record(user: str, timestamp: str) -> str:
    return json.dumps(
        {"admin": True, "custom_data": {"serial": "S"}, "delayed": False, "event": "e", "expires": "", "machine": "m", "reason": "",
         "timestamp": timestamp, "user": user}
    )


def send(port: int, key: str, body: str, expected: int) -> str | None:
    """Nothing when it is acknowledged, else why not."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=8)
    try:
        connection.request("POST", "/v1/events", body, headers)
        reply = connection.getresponse()
        answer = reply.read()
        if reply.status != 200:
            return f"status {reply.status}"
        counts = json.loads(answer)
        return None if counts["accepted"] + counts["duplicates"] == expected else f"wrong counts: {counts}"
    except (OSError, http.client.HTTPException, ValueError):
        return "no answer"
    finally:
        connection.close()


def client(number: int, port: int, key: str, end: float, timestamp: str, journal: Journal) -> None:
    turn = 0
    while time.monotonic() < end:
        names = [f"c{number}-{turn}-{place}" for place in range(random.choice([1, 1, 1, 20]))]
        body = "\n".join(record(name, timestamp) for name in names)
        turn += 1
        give_up = time.monotonic() + PATIENCE
        while (why := send(port, key, body, len(names))) is not None:
            with journal.lock:
                journal.tries_in_vain += 1
                if why not in ("no answer", "status 503", "status 429") or time.monotonic() > give_up:
                    journal.failures.append(why)
                    break
            time.sleep(0.05)
        else:
            with journal.lock:
                journal.acknowledged += names


def kill_until(end: float, installation: Installation, server: Server) -> dict[str, int]:
    kills = {"api": 0, "backend": 0}
    while time.monotonic() < end:
        time.sleep(random.uniform(0.8, 1.6))
        if random.random() < 0.5:
            server.kill()
            server.start()
            kills["api"] += 1
            continue
        backends = [int(pid) for pid in installation.psql("SELECT pid FROM pg_stat_activity WHERE usename = 'sluice_api'") if pid]
        if backends:
            try:
                os.kill(random.choice(backends), signal.SIGKILL)
                kills["backend"] += 1
            except ProcessLookupError:
                pass
    return kills


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    installation = Installation()
    try:
        server = Server(installation)
        journal = Journal()
        end = time.monotonic() + seconds
        timestamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        shared = (server.port, installation.demo["ingest_key"], end, timestamp, journal)
        clients = [threading.Thread(target=client, args=(number, *shared)) for number in range(CLIENTS)]
        for thread in clients:
            thread.start()
        kills = kill_until(end, installation, server)
        for thread in clients:
            thread.join()
        rows = dict(line.rsplit("|", 1) for line in installation.psql("SELECT actor, count(*) FROM events GROUP BY 1") if line)
        server.kill()
    finally:
        installation.end()
    missing = [name for name in journal.acknowledged if name not in rows]
    doubled = [name for name, count in rows.items() if count != "1"]
    print(f"killed: {kills['api']} x sluice-api, {kills['backend']} x PostgreSQL backend, in {seconds:.0f} s")
    print(f"acknowledged {len(journal.acknowledged)}, rows {len(rows)}, tries in vain {journal.tries_in_vain}")
    print(f"missing {len(missing)}, doubled {len(doubled)}, failures {journal.failures[:5]}")
    is_good = journal.acknowledged and len(rows) == len(journal.acknowledged) and not missing and not doubled and not journal.failures
    print("pass" if is_good else "FAIL")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
