"""`sluice up` in a scratch home, a gate in front of it that can be shut, and the kit installed beside it."""
from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

from kit import KIT, ROOT

STANDIN = pathlib.Path(__file__).resolve().parent / "fluentbit_standin.py"
OWN_SETTINGS = re.compile(r"PG[A-Z]|DATABASE_|DB_|LISTEN$|ADMIN_LISTEN$|LOG_|MAX_|REQUEST_|SLUICE_HOME$|OPEN_|TLS_|TRUSTED_|HEALTH_|JWKS_|BACKUP_")


def fluent_bit() -> str | None:
    """The real binary when the scenarios shall run on it (make fluent-bit), else None: the stand-in."""
    return os.environ.get("FLUENT_BIT") or None


def binary(name: str) -> str:
    """SLUICE_BIN names the folder of our programs; else the debug build that the tests before have made."""
    folder = pathlib.Path(os.environ.get("SLUICE_BIN") or ROOT / ".build" / "debug")
    program = folder / name
    if not os.access(program, os.X_OK):
        raise RuntimeError(f"there is no {name} in {folder}: run swift build, or name its folder with SLUICE_BIN")
    return str(program.resolve())


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


_handed_out: set[int] = set()


def free_port() -> int:
    """Below those that outgoing connections take; never the same one twice."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20000, 32000)))
            port = int(probe.getsockname()[1])
            if port not in _handed_out:
                _handed_out.add(port)
                return port


def until(what: str, condition: Callable[[], Any], patience: float = 90) -> Any:
    """The condition's first true value; it is asked again and again."""
    end = time.monotonic() + patience
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not so after {patience:.0f} s: {what}")
        time.sleep(0.05)


class Server:
    def __init__(self) -> None:
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="mk-", dir="/tmp"))
        self.home.chmod(0o755)
        self.port, self.admin_port = free_port(), free_port()
        inherited = {k: v for k, v in os.environ.items() if not OWN_SETTINGS.match(k)}
        self.environment = inherited | {
            "SLUICE_HOME": str(self.home), "LISTEN": f"127.0.0.1:{self.port}", "ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}"
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.demo: dict[str, str] = {}

    def start(self) -> None:
        with open(self.home / "up.log", "ab") as log:
            self.process = subprocess.Popen(
                [binary("sluice"), "up"], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=die_with_parent,
            )
        try:
            until("sluice up is ready", self.is_ready, 180)
        except AssertionError as error:
            raise AssertionError(f"{error}; it says: {(self.home / 'up.log').read_text(errors='replace')[-1500:]}") from None
        self.demo = json.loads((self.home / "demo.json").read_text())

    def is_ready(self) -> bool:
        if self.process and self.process.poll() is not None:
            raise AssertionError(f"sluice up has ended: {(self.home / 'up.log').read_text(errors='replace')[-1500:]}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/readyz")[0] == 200 and (self.home / "demo.json").exists()
        return False

    def processes(self) -> list[int]:
        """Those that descend from ours, or name our folder in their environment: nobody else's."""
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(self.home).encode() in (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return [pid for pid in found if pid != os.getpid()]

    def kill(self) -> None:
        """kill -9 of the API, PostgreSQL and whatever else runs here."""
        end = time.monotonic() + 20
        while (pids := self.processes()) and time.monotonic() < end:
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if self.process:
                self.process.poll()
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(25)
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def request(self, method: str, path: str, key: str | None = None, port: int | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {key}"} if key else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def sluice(self, *arguments: str) -> Any:
        done = subprocess.run(
            [binary("sluice"), *arguments, "--output", "json"], cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env=self.environment | {"DATABASE_URL": self.demo["database_url"]}, timeout=120, check=False,
        )
        if done.returncode:
            raise AssertionError(f"sluice {' '.join(arguments)} exited {done.returncode}: {done.stderr[-1500:]}")
        return json.loads(done.stdout)

    def sql(self, text: str) -> list[list[str]]:
        """The rows of a SELECT, fields as text."""
        done = subprocess.run(
            ["psql", "-qXAt", "-F", "\x1f", "-v", "ON_ERROR_STOP=1"], input=text, capture_output=True, text=True, timeout=120, check=False,
            env=self.environment | self.database() | {"PGTZ": "UTC"},
        )
        if done.returncode:
            raise AssertionError(f"{text}: {done.stderr}")
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def database(self) -> dict[str, str]:
        """For psql: the address goes by environment, never on a command line."""
        url = urllib.parse.urlsplit(self.demo["database_url"])
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = {
            "PGHOST": query.get("host") or urllib.parse.unquote(url.hostname or ""),
            "PGPORT": query.get("port") or str(url.port or ""),
            "PGUSER": query.get("user") or urllib.parse.unquote(url.username or ""),
            "PGPASSWORD": query.get("password") or urllib.parse.unquote(url.password or ""),
            "PGDATABASE": query.get("dbname") or urllib.parse.unquote(url.path.lstrip("/")),
            "PGOPTIONS": query.get("options", ""),
        }
        return {k: v for k, v in parts.items() if v}

    def metrics(self) -> dict[str, float]:
        status, text = self.request("GET", "/metrics", port=self.admin_port)
        if status != 200:
            raise AssertionError(f"/metrics on the admin address answers {status}")
        found = (re.fullmatch(r"([^#\s].*) ([0-9.e+]+)", line) for line in text.decode().splitlines())
        return {m[1]: float(m[2]) for m in found if m}


class Fleet:
    """A tenant of its own with the source mac-fleet, set up as the kit's README says."""

    def __init__(self, server: Server, tenant: str) -> None:
        self.server, self.tenant = server, tenant
        server.sluice("tenant", "create", tenant)
        server.sluice("schema", "apply", tenant, "privileges-ndjson")
        server.sluice("source", "create", tenant, "mac-fleet", "--profile", "fluent-bit", "--schema", "privileges-ndjson")

    def key(self) -> str:
        return str(self.server.sluice("key", "create", self.tenant, "--kind", "ing", "--source", "mac-fleet")["key"])

    @property
    def where(self) -> str:
        return f"tenant_id = (SELECT tenant_id FROM tenants WHERE slug = '{self.tenant}')"

    def rows(self) -> int:
        return int(self.server.sql(f"SELECT count(*) FROM events WHERE {self.where}")[0][0])

    def actors(self) -> list[str]:
        return [row[0] for row in self.server.sql(f"SELECT actor FROM events WHERE {self.where} ORDER BY actor COLLATE \"C\"")]

    def quarantined(self) -> list[str]:
        return [row[0] for row in self.server.sql(f"SELECT encode(body, 'escape') FROM quarantine WHERE {self.where} ORDER BY received_at")]


class Gate:
    """Between the sender and the server: shut, nobody listens there, as for a Mac with no network. `statuses` are those that came back."""

    def __init__(self, server: Server) -> None:
        self.server, self.port = server, free_port()
        self.statuses: list[int] = []
        # Called with each request before it goes on: how many bytes of it may, and whether the answer goes back.
        self.rule: Callable[[bytes], tuple[bytes, bool]] = lambda request: (request, True)
        self.listener: socket.socket | None = None

    def open(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.listener = listener
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        if self.listener:
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None

    def accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.pass_on, args=(client,), daemon=True).start()

    def pass_on(self, client: socket.socket) -> None:
        """Requests one after the other, each with a Content-Length, as Fluent Bit sends them."""
        with client, contextlib.suppress(OSError):
            client.settimeout(60)
            while request := self.read(client):
                sent, answers = self.rule(request)
                with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as upstream:
                    upstream.sendall(sent)
                    if sent != request:
                        return
                    answer = self.read(upstream)
                if not answers or not answer:
                    return
                self.statuses.append(int(answer.split(None, 2)[1]))
                client.sendall(answer)

    @staticmethod
    def read(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := connection.recv(65536)):
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        match = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        length = int(match[1]) if match else 0
        while len(body) < length:
            if not (more := connection.recv(65536)):
                return b""
            body += more
        return head + b"\r\n\r\n" + body


class Sender:
    """The kit, installed in a scratch folder with its own configuration, and Fluent Bit (or its stand-in) started by the kit's script."""

    def __init__(self, port: int, token: str, form: str = "json_lines") -> None:
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="mac-", dir="/tmp"))
        self.configuration = self.root / "usr/local/etc/fluent-bit"
        self.log = self.root / "usr/local/var/log/privileges/events.ndjson"
        self.state = self.root / "usr/local/var/lib/privileges-fluent-bit"
        self.error_log = self.root / "fluent-bit-error.log"
        subprocess.run([KIT / "install.sh"], env=os.environ | {"DESTDIR": str(self.root)}, capture_output=True, check=True)
        self.configure(port, form)
        self.token(token)
        # A developer's own folders are the developer's.
        (self.configuration / "trust-local-admins").touch()
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, port: int, form: str) -> None:
        """What a site sets, and shorter waits; all else is the kit's."""
        path = self.configuration / "fluent-bit.conf"
        text = path.read_text()
        for name, value in {
            "SLUICE_HOST": "127.0.0.1", "SLUICE_PORT": str(port), "SLUICE_TLS": "off", "PRIVILEGES_LOG": str(self.log),
            "PRIVILEGES_STATE": str(self.state),
        }.items():
            text = re.sub(rf"(?m)^@SET {name}=.*$", f"@SET {name}={value}", text)
        for name, value in {"Flush": "1", "scheduler.base": "1", "scheduler.cap": "2", "Format": form}.items():
            text = re.sub(rf"(?m)^( +{re.escape(name)} +).*$", rf"\g<1>{value}", text)
        path.write_text(text)

    def token(self, text: str) -> None:
        path = self.configuration / "token"
        path.touch(mode=0o600)
        path.write_text(text + "\n")

    def start(self) -> None:
        environment = os.environ | {
            "PRIVILEGES_CONFIGURATION": str(self.configuration), "FLUENT_BIT": fluent_bit() or str(STANDIN), "STANDIN_HASTE": "20"
        }
        with open(self.error_log, "ab") as log:
            self.process = subprocess.Popen(
                ["sh", str(KIT / "privileges_fluent_bit.sh")], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent,
            )

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(sign)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def restart(self, sign: signal.Signals = signal.SIGTERM) -> None:
        self.stop(sign)
        self.start()

    def said(self) -> str:
        return self.error_log.read_text(errors="replace") if self.error_log.exists() else ""

    def write(self, *lines: str) -> None:
        with open(self.log, "a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def chunks(self) -> int:
        return sum(1 for _ in self.state.rglob("*.flb"))

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)


