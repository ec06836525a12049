"""Clients that send in a closed loop, and the same again until it is answered."""
from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from .journal import Event, Journal, State

PATIENCE = 60.0
"""Seconds that one request is sent again for."""
PAUSE = 0.01
"""Between two requests of a client, and before the same again: the load has a bound."""


class Request:
    """Events in one body by one way in. Which way it is stays the same for all tries: it is part of what makes an event the same."""

    def __init__(self, events: list[Event], key: str, hook: str = "", reject: bool = False) -> None:
        """`hook`: the path that the key is put behind; without it the key goes in a header."""
        self.events, self.hook, self.reject = events, hook, reject
        self.path = f"{hook}/{key}" if hook else "/v1/events?on_invalid=reject" if reject else "/v1/events"
        self.body = "\n".join(event.record for event in events).encode()
        kind = "application/json" if len(events) == 1 else "application/x-ndjson"
        self.headers = {"Content-Type": kind} | ({} if hook else {"Authorization": f"Bearer {key}"})
        self.is_good = all(event.serial is not None for event in events)

    def bytes(self, chunk: int = 0) -> bytes:
        """As it goes over the wire; in chunks of so many bytes, or with its length."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        framing = "Transfer-Encoding: chunked" if chunk else f"Content-Length: {len(self.body)}"
        body = self.body
        if chunk:
            parts = [self.body[place : place + chunk] for place in range(0, len(self.body), chunk)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
        return f"POST {self.path} HTTP/1.1\r\nHost: sluice\r\n{head}{framing}\r\n\r\n".encode() + body


class Line:
    """One client's connection, made again when it is gone."""

    def __init__(self, port: int, timeout: float) -> None:
        self.port, self.timeout = port, timeout
        self.connection: http.client.HTTPConnection | None = None

    def exchange(self, request: Request) -> tuple[int, bytes]:
        """Status 0: no answer."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
                self.connection.connect()
                self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection.request("POST", request.path, request.body, request.headers)
            answer = self.connection.getresponse()
            body = answer.read()
            if answer.will_close:
                self.close()
            return answer.status, body
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return 0, type(error).__name__.encode()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def attempt(line: Line, request: Request, journal: Journal) -> bool:
    """Sends once; true when the outcome is known."""
    journal.send(request.events)
    started = time.monotonic()
    status, body = line.exchange(request)
    is_first = all(event.tries == 1 for event in request.events)
    if status == 200 and request.is_good:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            answer = json.loads(body)
            accepted, duplicates = int(answer["accepted"]), int(answer["duplicates"])
            journal.count(accepted, duplicates)
            if accepted + duplicates != len(request.events) or (is_first and duplicates):
                journal.complain(f"{len(request.events)} events, sent {request.events[0].tries} times, were answered {body[:200]!r}")
            journal.settle(request.events, State.ACKED, started)
            return True
        journal.complain(f"200 with {body[:200]!r}")
        journal.fail(request.events, "bad answer", started)
        return False
    if status == 422 and not request.is_good:
        journal.settle(request.events, State.REJECTED if request.reject else State.QUARANTINED, started)
        return True
    # The SAP client takes any answer as success: on its way in there is none but 200 for a good event.
    if status not in ({0} if request.hook else {0, 429, 503}):
        journal.complain(f"{request.hook or '/v1/events'}: status {status}: {body[:200]!r}")
    journal.fail(request.events, str(status or "no answer"), started)
    return False


class Load:
    """Clients of one seed, from `with` to its end; then each has an answer for all that it sent, or its patience is over."""

    def __init__(
        self, journal: Journal, ports: list[int], make: Callable[[random.Random, str], Request], *,
        clients: int = 8, seed: str = "0", timeout: float = 8, patience: float = PATIENCE,
    ) -> None:
        self.journal, self.timeout, self.patience = journal, timeout, patience
        self.over = threading.Event()
        self.threads = [
            threading.Thread(target=self._run, args=(number, ports[number % len(ports)], make, random.Random(f"{seed}/{number}")), daemon=True)
            for number in range(clients)
        ]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        end = time.monotonic() + self.patience + self.timeout + 5
        for thread in self.threads:
            thread.join(max(0, end - time.monotonic()))

    def _run(self, *arguments: Any) -> None:
        try:
            self._send(*arguments)
        except BaseException as error:  # a thread's end is nobody else's news
            self.journal.complain(f"a client broke: {error!r}")

    def _send(self, number: int, port: int, make: Callable[[random.Random, str], Request], dice: random.Random) -> None:
        line, turn = Line(port, self.timeout), 0
        while not self.over.is_set():
            request = make(dice, f"c{number}-{turn}")
            turn += 1
            give_up = time.monotonic() + self.patience
            while not attempt(line, request, self.journal) and time.monotonic() < give_up:
                time.sleep(PAUSE * 3)
            self.over.wait(PAUSE)
        line.close()
