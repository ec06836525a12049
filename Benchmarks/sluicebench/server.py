"""`sluice up` in a scratch folder: started, asked, stopped, and its folder removed."""
from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
from types import TracebackType

from .failure import Broken
from .processes import descendants, name_of
from .programs import sluice

# Settings of the shell that this runs in must not change what is measured.
SETTINGS = frozenset(
    """DATABASE_URL DATABASE_ADMIN_URL DB_PREPARE DB_CONNECTIONS LISTEN ADMIN_LISTEN LOG_LEVEL LOG_FORMAT LOG_DIR
    LOGFILE_RETENTION_DAYS DATABASE_RETENTION_DAYS BACKUP_RETENTION_DAYS DB_BACKUP_CRONJOB HEALTH_OUTPUT_DISKSPACE
    HEALTH_MIN_FREE_GB TRUSTED_PROXIES MAX_BODY_BYTES MAX_DECOMPRESSED_BYTES MAX_RECORD_BYTES REQUEST_DEADLINE
    OPEN_PRIVILEGES_SOURCE OPEN_PRIVILEGES_NETWORKS TLS_CERT TLS_KEY SLUICE_HOME""".split()
)


def end_with_parent() -> None:
    """In the child: SIGTERM when this program dies, even of a SIGKILL (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def free_ports(count: int) -> list[int]:
    """Different ones, below those that outgoing connections take."""
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        while len(ports) < count:
            candidate = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                candidate.bind(("127.0.0.1", random.randrange(20000, 32000)))
                ports.append(candidate.getsockname()[1])
    return ports


class Server:
    """One `sluice up`, from start to removal; use it in a `with`."""

    def __init__(self, scratch: pathlib.Path, environment: dict[str, str] | None = None) -> None:
        self.program = str(sluice())
        # Open to all: PostgreSQL may run as another user. Short: a socket's path has 107 bytes.
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-", dir=scratch))
        self.home.chmod(0o755)
        # Where the generators' files are: they hold keys.
        self.private = self.home / "generators"
        self.private.mkdir(mode=0o700)
        self.port, admin_port = free_ports(2)
        inherited = {k: v for k, v in os.environ.items() if k not in SETTINGS and not k.startswith("PG")}
        self.environment = inherited | (environment or {}) | {
            "SLUICE_HOME": str(self.home),
            "LISTEN": f"127.0.0.1:{self.port}",
            "ADMIN_LISTEN": f"127.0.0.1:{admin_port}",
        }
        self.log = self.home / "up.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.database_url = ""

    def __enter__(self) -> Server:
        try:
            self._start()
            self._age()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def _start(self, patience: float = 90) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "up"], env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=end_with_parent,
            )
        end = time.monotonic() + patience
        while self.process.poll() is None and time.monotonic() < end:
            if self._is_ready():
                self.database_url = json.loads((self.home / "demo.json").read_text())["database_url"]
                return
            time.sleep(0.2)
        raise Broken(f"sluice up is not ready after {patience:.0f} s; it says: {self.tail()}")

    def _age(self) -> None:
        """Fills the cluster's log once, as an hour of work does. A segment that has to be made holds up every commit for 60 ms (16 MB are written and
        synced), and a database of some seconds makes one every three seconds; one that has been at work uses old ones again."""
        self.psql("DO $$ BEGIN FOR n IN 1..60 LOOP PERFORM pg_logical_emit_message(false, 'bench', ''), pg_switch_wal(); END LOOP; END $$")
        self.psql("CHECKPOINT")

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/readyz", timeout=5)[0] == 200 and (self.home / "demo.json").exists()
        return False

    def _stop(self) -> None:
        """SIGTERM as an operator would; what is left after that, and descends from us, is killed. Then the folder goes."""
        if self.process is not None:
            ours = descendants(self.process.pid)
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(25)
            for pid, name in ours.items():
                # A process id may be somebody else's by now.
                if name_of(pid) == name and self._is_ours(pid):
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(5)
        shutil.rmtree(self.home, ignore_errors=True)

    def _is_ours(self, pid: int) -> bool:
        """Named after our folder in its environment, command line or working directory."""
        home = str(self.home).encode()
        with contextlib.suppress(OSError):
            process = pathlib.Path(f"/proc/{pid}")
            return (
                home in os.fsencode(os.readlink(process / "cwd"))
                or home in (process / "cmdline").read_bytes()
                or home in (process / "environ").read_bytes()
            )
        return False

    def tail(self) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace")[-1500:]
        return ""

    # ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, timeout: float = 30
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def sluice(self, *arguments: str, patience: float = 60) -> dict[str, object]:
        """One command of the operator's tool, answered in JSON."""
        try:
            done = subprocess.run(
                [self.program, *arguments, "--output", "json"], cwd=self.home, stdin=subprocess.DEVNULL, timeout=patience,
                env=self.environment | {"DATABASE_URL": self.database_url}, capture_output=True, text=True, check=False,
            )
        except subprocess.TimeoutExpired as expired:
            raise Broken(f"sluice {' '.join(arguments)} did not end within {patience:.0f} s") from expired
        if done.returncode:
            raise Broken(f"sluice {' '.join(arguments)} exited {done.returncode}: {done.stderr[-800:]}")
        answer = json.loads(done.stdout)
        return answer[0] if isinstance(answer, list) and answer else answer

    def database_environment(self) -> dict[str, str]:
        """For psql and pgbench: the address goes by environment, never on a command line."""
        url = urllib.parse.urlsplit(self.database_url)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = {
            "PGHOST": query.get("host") or urllib.parse.unquote(url.hostname or ""),
            "PGPORT": query.get("port") or (str(url.port) if url.port else ""),
            "PGUSER": query.get("user") or urllib.parse.unquote(url.username or ""),
            "PGPASSWORD": query.get("password") or urllib.parse.unquote(url.password or ""),
            "PGDATABASE": query.get("dbname") or urllib.parse.unquote(url.path.lstrip("/")),
        }
        return self.environment | {k: v for k, v in parts.items() if v}

    def psql(self, sql: str, timeout: float = 300) -> str:
        done = subprocess.run(
            ["psql", "-qXAt", "-v", "ON_ERROR_STOP=1"], input=sql, env=self.database_environment() | {"PGTZ": "UTC"},
            capture_output=True, text=True, timeout=timeout, check=False,
        )
        if done.returncode:
            raise Broken(f"psql: {sql[:200]}: {done.stderr.strip()[-800:]}")
        return done.stdout.strip()

    def settle(self, patience: float = 30) -> None:
        """Waits until what a generator left behind is written: no backend of the API has worked for a moment."""
        quiet, end = 0, time.monotonic() + patience
        while quiet < 5 and time.monotonic() < end:
            working = self.psql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'sluice_api' AND state <> 'idle'")
            quiet = quiet + 1 if working == "0" else 0
            time.sleep(0.05)

    # ── Processes ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def pid(self) -> int:
        if self.process is None:
            raise Broken("sluice up is not running")
        return self.process.pid

    def api_pid(self) -> int:
        for pid, name in descendants(self.pid).items():
            if name == "sluice-api":
                return pid
        raise Broken(f"sluice-api is not running; sluice up says: {self.tail()}")

    def api_peak_memory(self) -> int:
        """The peak of sluice-api's resident memory so far, in bytes."""
        for line in pathlib.Path(f"/proc/{self.api_pid()}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise Broken("the kernel does not say VmHWM")
