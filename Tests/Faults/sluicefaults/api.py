"""sluice-api as a process of our own."""
from __future__ import annotations

import contextlib
import http.client
import pathlib
import re
import resource
import signal
import subprocess
import time
from typing import IO, Any

from .machine import Wrong, binary, end_with_parent, environment, free_port, until

DEADLINE = 3.0
"""REQUEST_DEADLINE, seconds."""


class API:
    """Keeps its port over restarts."""

    def __init__(self, database_url: str, log: pathlib.Path, settings: dict[str, str], files: int | None = None, folder: str | None = None) -> None:
        self.port, self.admin_port = free_port(), free_port()
        self.program, self.log, self.files = binary("sluice-api", folder), log, files
        own = {"DATABASE_URL": database_url, "LISTEN": f"127.0.0.1:{self.port}", "ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}"}
        self.environment = environment(**({"REQUEST_DEADLINE": f"{DEADLINE:.0f}s", "LOG_LEVEL": "warning"} | settings | own))
        self.process: subprocess.Popen[bytes] | None = None

    def _prepare(self) -> None:
        end_with_parent()
        if self.files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))

    def start(self, ready: bool = True, stderr: IO[Any] | int | None = None) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=stderr if stderr is not None else log,
                preexec_fn=self._prepare,
            )
        if ready:
            self.await_ready()
        else:
            until("the API answers /livez", lambda: self.status("/livez") == 200, 30)

    def await_ready(self, within: float = 30) -> None:
        until("the API is ready", lambda: self.status("/readyz") == 200, within)

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            raise Wrong("the API has ended by itself")
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def terminate(self, within: float = 20) -> tuple[int, float]:
        """SIGTERM; its exit status, and the seconds that it took."""
        begin = time.monotonic()
        self.signal(signal.SIGTERM)
        assert self.process is not None
        try:
            return self.process.wait(within), time.monotonic() - begin
        except subprocess.TimeoutExpired:
            raise Wrong(f"the API has not ended {within:.0f} s after SIGTERM") from None

    def request(self, path: str, port: int | None = None, timeout: float = 5) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def status(self, path: str) -> int:
        """0 when nobody answers."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request(path)[0]
        return 0

    def metric(self, name: str) -> float:
        """The sum of its series."""
        text = self.request("/metrics", self.admin_port)[1].decode()
        return sum(float(value) for value in re.findall(rf"(?m)^{re.escape(name)}(?:{{.*}})? ([0-9.e+]+)$", text))

    def said(self) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace")[-600:]
        return ""
