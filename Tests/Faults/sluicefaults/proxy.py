"""Stands between the API and PostgreSQL: passes on, holds everything back, swallows the reply to COMMIT, or cuts after so many bytes."""
from __future__ import annotations

import contextlib
import selectors
import socket
import threading

from .machine import free_port

WRITES = b"sluice_writer"
"""What the API binds at the begin of a transaction that writes: its role."""


class Proxy:
    def __init__(self, upstream: int) -> None:
        self.upstream, self.port = upstream, free_port()
        self.open = threading.Event()
        self.open.set()
        """Cleared: not a byte passes, no connection is made and none is closed."""
        self.lock = threading.Lock()
        self.to_swallow = self.swallowed = 0
        self.cut: tuple[str, int] | None = None
        """`up` or `down`, and after how many bytes of the next transaction that writes; once."""
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.open.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self.open.wait()
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self.upstream)) as server:
            _Link(self, client, server).run()


class _Link:
    """One connection, in both directions."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.waiting = b""
        """Of the server's bytes: not yet a whole message."""
        self.swallows = False
        self.cut: tuple[str, int] | None = None
        self.passed = {"up": 0, "down": 0}

    def run(self) -> None:
        for end in (self.client, self.server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with selectors.DefaultSelector() as selector:
            selector.register(self.client, selectors.EVENT_READ)
            selector.register(self.server, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    self.proxy.open.wait()
                    if not (self._up() if key.fileobj is self.client else self._down()):
                        return

    def _up(self) -> bool:
        data = self.client.recv(65536)
        if WRITES in data:
            with self.proxy.lock:
                if self.proxy.to_swallow > 0 and not self.swallows:
                    self.proxy.to_swallow -= 1
                    self.swallows = True
                if self.proxy.cut:
                    self.cut, self.proxy.cut = self.proxy.cut, None
                    self.passed = {"up": 0, "down": 0}
        return bool(data) and self._pass("up", self.server, data)

    def _down(self) -> bool:
        data = self.server.recv(65536)
        if not data:
            return False
        if not self.swallows:
            return self._pass("down", self.client, data)
        # Whole messages only: a type byte, then a length that counts itself.
        self.waiting += data
        while len(self.waiting) >= 5 and len(self.waiting) > (length := int.from_bytes(self.waiting[1:5], "big")):
            message, self.waiting = self.waiting[: length + 1], self.waiting[length + 1 :]
            if message.startswith(b"C") and b"COMMIT" in message:
                with self.proxy.lock:
                    self.proxy.swallowed += 1
                return False
            self.client.sendall(message)
        return True

    def _pass(self, way: str, to: socket.socket, data: bytes) -> bool:
        if self.cut and self.cut[0] == way and self.passed[way] + len(data) >= self.cut[1]:
            to.sendall(data[: self.cut[1] - self.passed[way]])
            with self.proxy.lock:
                self.proxy.cuts += 1
            return False
        self.passed[way] += len(data)
        to.sendall(data)
        return True
