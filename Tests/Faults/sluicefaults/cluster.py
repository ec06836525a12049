"""A PostgreSQL of our own, with Sluice's tables: started, stopped, restarted and killed."""
from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import time

from .machine import as_account, binary, end_with_parent, environment, free_port, give_away, postgres_folder, until

# As `sluice up` and the documents have it, but for the port: faults of the network need one.
SETTINGS = """
idle_in_transaction_session_timeout = 5s
shared_buffers = 64MB
max_connections = 100
listen_addresses = '127.0.0.1'
"""


class Cluster:
    """Keeps all below one short folder: a socket's path has 107 bytes."""

    def __init__(self, folder: pathlib.Path, *, data: pathlib.Path | None = None, wal: pathlib.Path | None = None, segment_mb: int = 16) -> None:
        self.folder, self.port = folder, free_port()
        self.data = data or folder / "data"
        self.password = secrets.token_hex(16)
        self.programs = postgres_folder()
        self.process: subprocess.Popen[bytes] | None = None
        self.settings = ""
        folder.mkdir(mode=0o700)
        give_away(folder)
        password_file = folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        give_away(password_file)
        flags = ["--username", "sluice_admin", "--encoding", "UTF8", "--locale", "C", "--auth", "scram-sha-256", "--pwfile", str(password_file)]
        flags += ["--no-instructions", "--wal-segsize", str(segment_mb)] + (["--waldir", str(wal)] if wal else [])
        self._run("initdb", "--pgdata", str(self.data), *flags)
        with open(self.data / "postgresql.conf", "a") as file:
            file.write(f"{SETTINGS}port = {self.port}\nunix_socket_directories = '{folder}'\n")
        self.start()
        self.sql("CREATE DATABASE sluice", database="postgres")
        subprocess.run([binary("sluice"), "migrate"], env=environment(DATABASE_URL=self.admin_url), check=True, capture_output=True, timeout=120)
        self.sql(f"ALTER ROLE sluice_api PASSWORD '{self.password}'")

    def _run(self, program: str, *arguments: str, timeout: float = 60) -> None:
        command = [str(self.programs / program), *arguments]
        with open(self.folder / "commands.log", "ab") as log:
            # pg_ctl's server keeps what it inherits: a file, never a pipe that somebody waits for.
            done = subprocess.run(
                command, env=environment(LC_ALL="C"), cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=timeout, check=False, **as_account(),
            )
        if done.returncode:
            raise SystemExit(f"{program} failed: {(self.folder / 'commands.log').read_text()[-800:]}")

    @property
    def admin_url(self) -> str:
        return f"postgresql://sluice_admin:{self.password}@127.0.0.1:{self.port}/sluice"

    def api_url(self, port: int | None = None) -> str:
        """For the API; by way of another port when something stands between."""
        return f"postgresql://sluice_api:{self.password}@127.0.0.1:{port or self.port}/sluice?sslmode=disable&gssencmode=disable"

    # ── Life ────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, settings: str = "", within: float = 60) -> None:
        """Settings with spaces between; they count until the next start."""
        self.settings = settings
        command = [str(self.programs / "postgres"), "-D", str(self.data)]
        command += [part for setting in settings.split() for part in ("-c", setting)]
        with open(self.folder / "postgres.log", "ab") as log:
            self.process = subprocess.Popen(
                command, env=environment(LC_ALL="C", TZ="UTC"), cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=end_with_parent, **as_account(),
            )
        until("PostgreSQL takes connections", self._is_up_or_over, within)
        if self.process.poll() is not None:
            raise SystemExit(f"PostgreSQL did not start: {self.log_tail()}")

    def _is_up_or_over(self) -> bool:
        return self.is_up() or (self.process is not None and self.process.poll() is not None)

    def is_up(self) -> bool:
        return self._psql("SELECT 1", "postgres", 10).returncode == 0

    def await_up(self, within: float = 60) -> float:
        """When it was seen to take connections again (monotonic)."""
        until("PostgreSQL takes connections", self.is_up, within)
        return time.monotonic()

    def stop(self, mode: str = "fast") -> None:
        if self.pid() is not None:
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", mode, "-w", "-t", "50")
        self._reap()

    def restart(self, mode: str) -> None:
        """With pg_ctl, as an operator would; the new server is no child of ours."""
        self._run("pg_ctl", "restart", "-D", str(self.data), "-m", mode, "-w", "-t", "50", "-l", str(self.folder / "server.log"))
        self._reap()

    def kill(self) -> None:
        """kill -9 of the postmaster alone; its children notice and end."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        self._reap()
        # A new one refuses to start while one of the old one's processes holds the shared memory.
        until("the killed postmaster's children are gone", lambda: not self._processes(), 30)

    def _reap(self) -> None:
        if self.process is not None:
            self.process.wait(30)
            self.process = None

    def _processes(self) -> list[int]:
        """Those that work in our data folder."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(entry / "cwd") == str(self.data):
                    found.append(int(entry.name))
        return found

    def pid(self) -> int | None:
        """The postmaster's, when it runs."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            return pid if pid in self._processes() else None
        return None

    def is_running(self) -> bool:
        return self.pid() is not None

    def heal(self) -> None:
        """Running as it was made, as our child."""
        if self.process is None or self.process.poll() is not None or self.settings or not self.is_up():
            self.stop("immediate")
            self.start()

    def remove(self) -> None:
        with contextlib.suppress(SystemExit, subprocess.TimeoutExpired):
            self.stop("immediate")
        for pid in self._processes():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────

    def login(self, role: str = "sluice_admin", database: str = "sluice") -> dict[str, str]:
        """For psql: the address goes by environment, never on a command line."""
        return environment(
            PGHOST=str(self.folder), PGPORT=str(self.port), PGUSER=role, PGPASSWORD=self.password, PGDATABASE=database, PGTZ="UTC", PGCONNECT_TIMEOUT="5"
        )

    def _psql(self, text: str, database: str, timeout: float) -> subprocess.CompletedProcess[str]:
        command = ["psql", "-qXAt", "-F", "\x1f", "-v", "ON_ERROR_STOP=1"]
        return subprocess.run(command, input=text, env=self.login(database=database), capture_output=True, text=True, timeout=timeout, check=False)

    def sql(self, text: str, database: str = "sluice", timeout: float = 60) -> list[list[str]]:
        """The rows that come back, fields as text."""
        done = self._psql(text, database, timeout)
        if done.returncode:
            raise SystemExit(f"psql: {text[:200]}: {done.stderr.strip()[-800:]}")
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def session(self, role: str = "sluice_admin") -> Session:
        return Session(self.login(role))

    def states(self, state: str, waits_for: str = "") -> list[int]:
        """Who is in this state, and waits for that."""
        waiting = f" AND wait_event_type = '{waits_for}'" if waits_for else ""
        return [int(row[0]) for row in self.sql(f"SELECT pid FROM pg_stat_activity WHERE datname = 'sluice' AND state = '{state}'{waiting}")]

    def backends(self) -> list[int]:
        """The API's."""
        return [int(row[0]) for row in self.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'sluice_api' ORDER BY pid")]

    def writers(self) -> list[int]:
        """Those of them that are writing at this moment: only a transaction that writes has a number. Under load there is soon one."""
        question = "SELECT pid FROM pg_stat_activity WHERE usename = 'sluice_api' AND backend_xid IS NOT NULL"
        return [int(row[0]) for row in until("a backend writes", lambda: self.sql(question), 20)]

    def log_tail(self) -> str:
        with contextlib.suppress(OSError):
            return (self.folder / "postgres.log").read_text(errors="replace")[-800:]
        return ""


class Session:
    """A psql that stays: for what needs a transaction open, or a connection taken."""

    def __init__(self, login: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            ["psql", "-qX"], env=login, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=end_with_parent
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def is_over(self) -> bool:
        return self.process.poll() is not None

    def tell(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n".encode())
        self.process.stdin.flush()

    def end(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
