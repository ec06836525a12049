"""What is needed of this machine: programs, ports, the account that PostgreSQL runs as, and waiting for what happens."""
from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[3]
# Settings of the shell that this runs in must not change what is tested.
SETTINGS = ("PG", "DATABASE_", "DB_", "LISTEN", "ADMIN_LISTEN", "LOG", "MAX_", "REQUEST_", "SLUICE_HOME", "OPEN_", "TRUSTED_", "HEALTH_", "JWKS_",
            "BACKUP_", "DRAIN_", "FIGURES_", "REPLICAS")
POSTGRES_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


class Wrong(Exception):
    """What should hold does not."""


class LeftOut(Exception):
    """This machine does not let us; the message says why."""


def binary(name: str, folder: str | None = None) -> str:
    """One of our programs; SLUICE_BIN names its folder when it is not .build/release."""
    place = pathlib.Path(folder or os.environ.get("SLUICE_BIN") or ROOT / ".build" / "release")
    program = place / name
    if not os.access(program, os.X_OK):
        raise SystemExit(f"there is no {name} in {place}: run swift build -c release, or name its folder with SLUICE_BIN")
    return str(program.resolve())


def postgres_folder() -> pathlib.Path:
    """Where initdb, postgres and pg_ctl are: they are often not on PATH."""
    if named := os.environ.get("SLUICE_BIN_POSTGRES"):
        return pathlib.Path(named)
    if found := shutil.which("initdb"):
        return pathlib.Path(found).resolve().parent
    folders = [f for pattern in POSTGRES_FOLDERS for f in pathlib.Path("/").glob(pattern[1:]) if os.access(f / "initdb", os.X_OK)]
    if not folders:
        raise SystemExit("PostgreSQL's server is not here: run scripts/setup.sh, or name its folder with SLUICE_BIN_POSTGRES")
    return max(folders, key=lambda f: [int(n) for n in "".join(c if c.isdigit() else " " for c in str(f)).split()] or [0])


def account() -> pwd.struct_passwd | None:
    """Who runs PostgreSQL and PgBouncer, which refuse to run as root; None: we ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise SystemExit("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def as_account() -> dict[str, Any]:
    """For subprocess: as that account."""
    who = account()
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if who else {}


def give_away(path: pathlib.Path) -> None:
    if who := account():
        os.chown(path, who.pw_uid, who.pw_gid)


def environment(**more: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(SETTINGS)} | more


def end_with_parent() -> None:
    """In the child: SIGTERM when this program dies, even of a SIGKILL (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


_handed_out: set[int] = set()


def free_port() -> int:
    """Below those that outgoing connections take; never the same one twice."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.SystemRandom().randrange(20000, 32000)))
            port = int(probe.getsockname()[1])
            if port not in _handed_out:
                _handed_out.add(port)
                return port


def until(what: str, condition: Callable[[], Any], within: float = 30) -> Any:
    """The condition's first true value; for what nobody tells us of."""
    end = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > end:
            raise Wrong(f"not so within {within:.0f} s: {what}")
        time.sleep(0.02)
    return value
