"""Rows: what can happen between client, API and PostgreSQL."""
from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time

from .api import DEADLINE
from .client import Line, Request
from .machine import ROOT, LeftOut, Wrong, as_account, end_with_parent, environment, free_port, give_away, until
from .proxy import Proxy
from .runner import row
from .world import Trial


def proxied(trial: Trial) -> Proxy:
    proxy = Proxy(trial.cluster.port)
    trial.ends.callback(proxy.close)
    return proxy


@row("the reply to COMMIT swallowed, 12 times under load", short=True)
def swallow_commit(trial: Trial) -> None:
    proxy = proxied(trial)
    api = trial.api(port=proxy.port)
    with trial.load(api):
        trial.flow(20)
        proxy.to_swallow = 12
        until("12 replies are swallowed", lambda: proxy.swallowed >= 12, 30)
        trial.recovered(time.monotonic())
    trial.figure(f"{proxy.swallowed} replies swallowed")


@row("a connection to PostgreSQL cut at every tenth byte of a transaction, either way, with and without prepared statements", bound=150)
def cut_database(trial: Trial) -> None:
    for prepare in ("on", "off"):
        proxy = proxied(trial)
        # One lane: it is the one whose transaction is cut.
        api = trial.api({"DB_LANES": "1", "DB_PREPARE": prepare}, port=proxy.port)
        line = Line(api.port, DEADLINE + 5)
        for way in ("up", "down"):
            offset, before = 0, -1
            # Until a transaction is over before its cut comes.
            while proxy.cuts > before:
                offset, before = offset + 10, proxy.cuts
                proxy.cut = (way, offset)
                trial.deliver(line, Request([trial.event(f"{prepare}-{way}-{offset}")], trial.tenant.ingest_key))
            trial.check(offset >= 100, f"prepared {prepare}, {way}: the {offset // 10}th cut did not happen")
            trial.figure(f"prepared {prepare}: {offset // 10 - 1} cuts {way}")
        line.close()
        api.kill()


@row("a request cut at every tenth byte, by FIN and by RST, then sent whole", short=True)
def cut_request(trial: Trial) -> None:
    api = trial.api()
    line, cuts, whole = Line(api.port, DEADLINE + 5), 0, []
    for way, key, hook, chunk in (("plain", trial.tenant.ingest_key, "", 0), ("chunked", trial.tenant.ingest_key, "", 50), ("hook", trial.tenant.hook_key, "/hooks", 0)):
        length = len(Request([trial.event(f"{way}-0000")], key, hook).bytes(chunk))
        for offset in range(10, length, 10):
            request = Request([trial.event(f"{way}-{offset:04}")], key, hook)
            trial.journal.send(request.events)
            send_cut(api.port, request.bytes(chunk)[:offset], by_reset=offset % 20 == 0)
            whole.append(request)
            cuts += 1
    # A part of one event is never an event.
    trial.deliver(line, Request([trial.event("after-the-cuts")], trial.tenant.ingest_key))
    where = f"tenant_id = (SELECT tenant_id FROM sluice.tenants WHERE slug = '{trial.tenant.name}')"
    stored = trial.cluster.sql(f"SELECT (SELECT count(*) FROM sluice.events WHERE {where}), (SELECT count(*) FROM sluice.quarantine WHERE {where})")
    trial.check(stored == [["1", "0"]], f"parts of requests left {int(stored[0][0]) - 1} rows and {stored[0][1]} records in quarantine")
    for request in whole:
        trial.deliver(line, request)
    line.close()
    trial.figure(f"{cuts} cuts")


def send_cut(port: int, data: bytes, by_reset: bool) -> None:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=DEADLINE + 5) as client:
        client.sendall(data)
        if by_reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass


@row("PostgreSQL black-holed (a proxy that stops) until every client was told to come again", short=True)
def black_hole(trial: Trial) -> None:
    proxy = proxied(trial)
    api = trial.api(port=proxy.port)
    with trial.load(api, timeout=DEADLINE + 5):
        trial.flow()
        proxy.open.clear()
        begin = time.monotonic()
        until("/readyz is 503", lambda: api.status("/readyz") == 503, 10)
        unready = time.monotonic() - begin
        trial.check(unready <= 5, f"/readyz was 503 after {unready:.1f} s, should be 5 s at most")
        trial.wait_in_vain(8, DEADLINE + 10)
        proxy.open.set()
        back = trial.recovered(time.monotonic())
        trial.flow()
    trial.figure(f"/readyz 503 after {unready:.1f} s, slowest answer {trial.journal.slowest:.1f} s, back after {back:.1f} s")
    trial.check(trial.journal.slowest <= DEADLINE + 2, f"a request took {trial.journal.slowest:.1f} s, REQUEST_DEADLINE is {DEADLINE:.0f} s")
    trial.check(api.is_running(), "the API ended")


class Pooler:
    """PgBouncer in transaction mode, as deploy/pgbouncer.ini has it; it refuses to run as root."""

    def __init__(self, trial: Trial) -> None:
        found = shutil.which("pgbouncer") or next((p for p in ("/usr/sbin/pgbouncer", "/opt/homebrew/bin/pgbouncer") if os.access(p, os.X_OK)), None)
        if not found:
            raise LeftOut("PgBouncer is not installed: run scripts/setup.sh test")
        self.program, self.port = found, free_port()
        self.folder = pathlib.Path(trial.world.folder, "pgbouncer")
        self.folder.mkdir(mode=0o700)
        users, settings = self.folder / "users", self.folder / "pgbouncer.ini"
        users.write_text(f'"sluice_api" "{trial.cluster.password}"\n')
        text = (ROOT / "deploy" / "pgbouncer.ini").read_text()
        for shipped, ours in {
            "host=127.0.0.1 port=5432": f"host=127.0.0.1 port={trial.cluster.port}", "listen_port = 6432": f"listen_port = {self.port}",
            "/etc/pgbouncer/userlist.txt": str(users), "query_wait_timeout = 5": "query_wait_timeout = 2",
        }.items():
            if shipped not in text:
                raise Wrong(f"deploy/pgbouncer.ini has no longer: {shipped}")
            text = text.replace(shipped, ours)
        settings.write_text(text)
        for path in (self.folder, users, settings):
            give_away(path)
        self.process: subprocess.Popen[bytes] | None = None
        trial.ends.callback(self.kill)

    def start(self) -> None:
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, str(self.folder / "pgbouncer.ini")], env=environment(LC_ALL="C"), cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=end_with_parent, **as_account(),
            )
        until("PgBouncer listens", self._listens, 10)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(10)


@row("kill -9 of PgBouncer (transaction mode), 3 times under load, started again", short=True)
def kill_pgbouncer(trial: Trial) -> None:
    pooler = Pooler(trial)
    pooler.start()
    api = trial.api(port=pooler.port)
    slowest = 0.0
    with trial.load(api):
        for _ in range(3):
            trial.flow(trial.dice.randint(20, 60))
            pooler.kill()
            pooler.start()
            slowest = max(slowest, trial.recovered(time.monotonic()))
    trial.figure(f"back {slowest:.1f} s after PgBouncer")
