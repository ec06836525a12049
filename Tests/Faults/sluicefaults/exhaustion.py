"""Rows: disks, connections, descriptors and readers that run out."""
from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pathlib
import random
import resource
import selectors
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable

from .api import API, DEADLINE
from .client import Request
from .cluster import Cluster, Session
from .machine import LeftOut, account, until
from .runner import row
from .world import Trial

CLONE_NEWNS = 0x00020000


def small_disk(trial: Trial, megabytes: int) -> pathlib.Path:
    """A tmpfs that nobody else sees and that is gone when this program is: in a name space of our own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise LeftOut(f"no small disk without the right to mount one ({os.strerror(ctypes.get_errno())}): run it as root")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="disk-", dir=trial.world.folder))
    folder.chmod(0o755)
    who = account()
    owner = f",uid={who.pw_uid},gid={who.pw_gid}" if who else ""
    for command in (["mount", "--make-rprivate", "/"], ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700{owner}", "tmpfs", str(folder)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LeftOut(f"no small disk: {done.stderr.strip()}")
    trial.ends.callback(lambda: subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False))
    return folder


def fill(folder: pathlib.Path) -> pathlib.Path:
    """To the last byte."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    with open(ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0")
    return ballast


def large(trial: Trial) -> Callable[[random.Random, str], Request]:
    """Requests that need room."""
    return lambda dice, name: Request([trial.event(f"{name}-{place}", size=1000) for place in range(8)], trial.tenant.ingest_key)


@row("PostgreSQL's data disk full under load, then room again", bound=120)
def data_disk_full(trial: Trial) -> None:
    disk = small_disk(trial, 160)
    trial.take(Cluster(trial.world.folder / "pd", data=disk / "data", wal=trial.world.folder / "pd" / "wal"))
    disk_full(trial, disk)


@row("PostgreSQL's WAL disk full under load: PANIC; then room again, PostgreSQL started if it ended", bound=120)
def wal_disk_full(trial: Trial) -> None:
    disk = small_disk(trial, 40)
    cluster = trial.take(Cluster(trial.world.folder / "pw", wal=disk / "wal", segment_mb=1))
    cluster.stop()
    # What is written stays: with checkpoints PostgreSQL would go round in the segments that it has.
    cluster.start("min_wal_size=2MB max_wal_size=4MB wal_keep_size=1000MB")
    disk_full(trial, disk)


def disk_full(trial: Trial, disk: pathlib.Path) -> None:
    api = trial.api()
    with trial.load(api, make=large(trial), clients=4):
        trial.flow(20)
        ballast = fill(disk)
        trial.wait_in_vain(12, 60)
        trial.check(api.status("/livez") == 200, "/livez is not 200 while the disk is full")
        ballast.unlink()
        if not trial.cluster.is_running():
            trial.figure("PostgreSQL had ended")
            trial.cluster.start()
        trial.figure(f"back {trial.recovered(trial.cluster.await_up()):.1f} s after PostgreSQL")
        trial.flow(10)


@row("max_connections=10, and others hold all that are left; then they let go")
def connections(trial: Trial) -> None:
    trial.cluster.stop()
    trial.cluster.start("max_connections=10 superuser_reserved_connections=3")
    _ = trial.tenant
    hoard: list[Session] = []

    def let_go() -> None:
        for one in hoard:
            one.end()

    trial.ends.callback(let_go)

    def all_taken() -> bool:
        # Who looks takes a place as well, and one of ours may be refused for it.
        hoard[:] = [one for one in hoard if not one.is_over()]
        hoard.extend(trial.cluster.session("sluice_api") for _ in range(7 - len(hoard)))
        return len(trial.cluster.backends()) == 7

    until("all connections are taken", all_taken, 20)
    api = trial.api(start=False)
    api.start(ready=False)
    trial.check(api.status("/readyz") == 503, "/readyz is not 503 without a connection")
    with trial.load(api):
        trial.wait_in_vain(24, 40)
        let_go()
        trial.figure(f"back {trial.recovered(time.monotonic()):.1f} s after they let go")
        trial.flow(200)
    trial.check(api.is_running(), "the API ended")


def cpu_seconds(api: API) -> float:
    assert api.process is not None
    fields = pathlib.Path(f"/proc/{api.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@row("ulimit -n 64 for the API, and 200 connections that say nothing; then they go")
def descriptors(trial: Trial) -> None:
    api = trial.api(files=64)
    with trial.load(api, timeout=2):
        trial.flow()
        idle = [socket.socket() for _ in range(200)]
        for one in idle:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", api.port))
        before = trial.journal.acks
        # Clients that have a connection keep it and are served all along; it takes no more of them than it has descriptors for.
        trial.journal.wait_for_acks(20, 10)
        begin, cpu, most = time.monotonic(), cpu_seconds(api), 0
        while trial.journal.acks - before < 200 and time.monotonic() - begin < 30:
            most = max(most, len(os.listdir(f"/proc/{api.process.pid}/fd")))  # type: ignore[union-attr]
            trial.journal.wait_for_acks(1, 10)
        share = (cpu_seconds(api) - cpu) / (time.monotonic() - begin)
        trial.check(trial.journal.acks - before >= 200, "clients that have a connection are not served")
        trial.check(most < 64, f"{most} descriptors of 64 are open: none is left for what must go on")
        trial.figure(f"{trial.journal.acks - before} requests acknowledged, at most {most} of 64 descriptors open, {share:.0%} of a core meanwhile")
        trial.check(api.is_running(), "the API ended")
        for one in idle:
            one.close()
        trial.figure(f"back {trial.recovered(time.monotonic()):.1f} s after")
        trial.flow()
    trial.check(api.is_running(), "the API ended")


class Crowd:
    """Connections that say nothing, and others that say a byte at a time."""

    def __init__(self, port: int, request: bytes, idle: int, dripping: int) -> None:
        needed = idle + dripping + 200
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < needed:
            if hard < needed:
                raise LeftOut(f"no more than {hard} descriptors here")
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        self.request = request
        self.over = threading.Event()
        self.answers: list[bytes] = []
        self.sockets = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(idle + dripping)]
        self.dripping = {one: 0 for one in self.sockets[idle:]}
        self.thread = threading.Thread(target=self._drip, daemon=True)
        self.thread.start()

    def _drip(self) -> None:
        """Headers at once, then a byte each half second; an answer ends it."""
        with selectors.DefaultSelector() as selector:
            for one in self.dripping:
                selector.register(one, selectors.EVENT_READ)
                self.dripping[one] = self.request.index(b"\r\n\r\n") + 4
                one.sendall(self.request[: self.dripping[one]])
            due = time.monotonic()
            while self.dripping and not self.over.is_set():
                for key, _ in selector.select(0.1):
                    answering = key.fileobj
                    assert isinstance(answering, socket.socket)
                    with contextlib.suppress(OSError):
                        self.answers.append(answering.recv(4096))
                    selector.unregister(answering)
                    self.dripping.pop(answering)
                if time.monotonic() >= due:
                    due += 0.5
                    for one, place in list(self.dripping.items()):
                        with contextlib.suppress(OSError):
                            one.send(self.request[place : place + 1])
                            self.dripping[one] = min(place + 1, len(self.request) - 1)

    def end(self) -> None:
        self.over.set()
        self.thread.join(10)
        for one in self.sockets:
            one.close()


@row("5,000 idle and 500 dripping connections, and load beside them")
def crowd(trial: Trial) -> None:
    api = trial.api()
    drip = Request([trial.event("drip")], trial.tenant.ingest_key)
    with trial.load(api):
        trial.flow()
        before, begin = trial.journal.acks, time.monotonic()
        many = Crowd(api.port, drip.bytes(), 5_000, 500)
        trial.ends.callback(many.end)
        until("the API gave up on those that drip", lambda: not many.dripping, DEADLINE + 15)
        took = time.monotonic() - begin
        acks = trial.journal.acks - before
        trial.flow()
    late = sum(answer.startswith(b"HTTP/1.1 408 ") for answer in many.answers)
    trial.check(late == 500, f"{late} of 500 dripping connections were answered 408: {[a[:60] for a in many.answers if b' 408 ' not in a][:2]}")
    trial.check(acks >= 50, f"{acks} requests acknowledged in {took:.0f} s beside them")
    trial.check(trial.journal.slowest < DEADLINE, f"the slowest answer took {trial.journal.slowest:.1f} s")
    trial.figure(f"{acks / took:.0f} requests/s beside them, slowest {trial.journal.slowest:.2f} s, {late} answered 408")


@row("a full log pipe that nobody reads, then one whose reader is gone", short=True)
def log_pipe(trial: Trial) -> None:
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETFL, os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(theirs, b"x" * 4096)
    fcntl.fcntl(theirs, fcntl.F_SETFL, 0)
    api = trial.api({"LOG_LEVEL": "info"}, start=False)
    api.start(stderr=theirs)
    os.close(theirs)
    with trial.load(api):
        trial.flow(200)
        os.close(ours)
        trial.flow(100)
    trial.check(api.is_running(), "the API ended")
    status, took = api.terminate()
    trial.check(status == 0 and took < 10, f"after SIGTERM it ended with {status} in {took:.1f} s")
    trial.figure(f"ended with {status} in {took:.1f} s")
