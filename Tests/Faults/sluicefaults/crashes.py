"""Rows: processes that are killed, stopped, or told to end."""
from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable

from .api import API, DEADLINE
from .client import Request
from .journal import State
from .machine import until
from .runner import row
from .world import Trial


@row("kill -9 of the API, 3 times under load", short=True)
def kill_api(trial: Trial) -> None:
    api = trial.api()
    with trial.load(api):
        for _ in range(3):
            trial.flow(trial.dice.randint(20, 60))
            api.kill()
            api.start()
            trial.recovered(time.monotonic())


@row("kill -9 of one backend, 3 times under load: PostgreSQL recovers from a crash", short=True, bound=90)
def kill_backend(trial: Trial) -> None:
    api = trial.api()
    slowest = 0.0
    with trial.load(api):
        for _ in range(3):
            trial.flow(trial.dice.randint(20, 60))
            kill_one_backend(trial)
            slowest = max(slowest, trial.recovered(trial.cluster.await_up()))
    trial.figure(f"back {slowest:.1f} s after PostgreSQL")
    trial.check(api.is_running(), "the API ended")


def kill_one_backend(trial: Trial) -> None:
    backend = trial.dice.choice(trial.cluster.writers())
    os.kill(backend, signal.SIGKILL)
    until("the backend is gone", lambda: not os.path.exists(f"/proc/{backend}"), 20)


@row("kill -9 of the postmaster under load, started again", bound=90)
def kill_postmaster(trial: Trial) -> None:
    def kill_and_start() -> None:
        trial.cluster.kill()
        trial.cluster.start()

    comes_back(trial, kill_and_start)


@row("pg_ctl restart -m fast under load")
def restart_fast(trial: Trial) -> None:
    comes_back(trial, lambda: trial.cluster.restart("fast"))


@row("pg_ctl restart -m immediate under load")
def restart_immediate(trial: Trial) -> None:
    comes_back(trial, lambda: trial.cluster.restart("immediate"))


def comes_back(trial: Trial, fault: Callable[[], None]) -> None:
    """Twice; the same API all along."""
    api = trial.api()
    slowest = 0.0
    with trial.load(api):
        for _ in range(2):
            trial.flow(trial.dice.randint(20, 60))
            fault()
            slowest = max(slowest, trial.recovered(trial.cluster.await_up()))
    trial.figure(f"back {slowest:.1f} s after PostgreSQL")
    trial.check(api.is_running(), "the API ended")


@row("SIGTERM of the API with 16 requests half sent, and load", short=True)
def terminate(trial: Trial) -> None:
    api = trial.api()
    with trial.load(api):
        trial.flow()
        requests = [Request([trial.event(f"half-{n}")], trial.tenant.ingest_key) for n in range(16)]
        halves = [half_sent(api, request) for request in requests]
        started = time.monotonic()
        for request in requests:
            trial.journal.send(request.events)
        api.signal(signal.SIGTERM)
        until("/readyz says that it is about to close", lambda: api.status("/readyz") != 200, 10)
        for line, rest in halves:
            line.sendall(rest)
        answered = sum(take_answer(trial, line, request, started) for (line, _), request in zip(halves, requests))
        status, took = api.terminate()
        trial.check(answered == len(requests), f"{len(requests) - answered} of {len(requests)} requests in flight got no 200")
        trial.check(status == 0, f"exit status {status}: {api.said()[-200:]}")
        trial.check(took <= 10, f"it took {took:.1f} s to end")
        trial.figure(f"{answered} of {len(requests)} in flight answered, ended with {status} in {time.monotonic() - started:.1f} s")
        api.start()
        trial.recovered(time.monotonic())


def half_sent(api: API, request: Request) -> tuple[socket.socket, bytes]:
    data = request.bytes()
    line = socket.create_connection(("127.0.0.1", api.port), timeout=15)
    line.sendall(data[: len(data) // 2])
    return line, data[len(data) // 2 :]


def take_answer(trial: Trial, line: socket.socket, request: Request, started: float) -> bool:
    """Of a request that was sent by hand; a lost one is sent again by nobody, and shows as never answered."""
    with line, contextlib.suppress(OSError):
        if line.recv(4096).startswith(b"HTTP/1.1 200 "):
            trial.journal.settle(request.events, State.ACKED, started)
            return True
    trial.journal.fail(request.events, "no answer", started)
    return False


@row("SIGSTOP of the API until every client has given up twice and sent again")
def stop_api(trial: Trial) -> None:
    api = trial.api()
    with trial.load(api, timeout=1):
        trial.flow()
        api.signal(signal.SIGSTOP)
        trial.wait_in_vain(16, 10)
        api.signal(signal.SIGCONT)
        trial.figure(f"back {trial.recovered(time.monotonic()):.1f} s after SIGCONT")
        trial.flow()


@row("SIGSTOP of a backend that writes, until its requests were told to come again")
def stop_backend(trial: Trial) -> None:
    api = trial.api()
    with trial.load(api, timeout=DEADLINE + 5):
        trial.flow()
        backend = trial.dice.choice(trial.cluster.writers())
        os.kill(backend, signal.SIGSTOP)
        try:
            # What goes on meanwhile hangs on what it holds: the lock on PostgreSQL's log holds up all that write.
            before = trial.journal.acks
            trial.wait_in_vain(1, DEADLINE + 5)
            trial.figure(f"{trial.journal.acks - before} requests acknowledged meanwhile")
        finally:
            os.kill(backend, signal.SIGCONT)
        trial.figure(f"back {trial.recovered(time.monotonic()):.1f} s after SIGCONT")
        trial.flow()
    trial.figure(f"slowest answer {trial.journal.slowest:.1f} s")
    trial.check(trial.journal.slowest <= DEADLINE + 2, f"a request took {trial.journal.slowest:.1f} s, REQUEST_DEADLINE is {DEADLINE:.0f} s")
