"""On what was measured: a figure without its machine says nothing."""
from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import platform
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from .failure import Broken
from .programs import ROOT
from .server import Server

POSTGRES_SETTINGS = (
    "server_version fsync synchronous_commit full_page_writes wal_sync_method wal_compression shared_buffers wal_buffers "
    "max_wal_size min_wal_size checkpoint_timeout commit_delay max_connections autovacuum autovacuum_vacuum_cost_delay jit"
).split()


def describe_machine(scratch: pathlib.Path) -> dict[str, object]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _first_line("/proc/cpuinfo", "model name"),
        "memory_mb": int((_first_line("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) // 1024,
        "kernel": platform.release(),
        "system": _system(),
        "file_system": file_system(scratch),
        "fdatasync_us": round(fdatasync_microseconds(scratch), 1),
        "load_before": os.getloadavg()[0],
    }


# What docs/operations.md advises for a database's machine (deploy/sysctl.d/90-sluice.conf): written pages go to the disk every second, a few megabytes at a
# time, instead of all at once when the first of them is 30 s old, which holds up every commit for 50 to 100 ms.
ADVISED = {"vm/dirty_expire_centisecs": "100", "vm/dirty_writeback_centisecs": "50"}


@contextlib.contextmanager
def as_advised() -> Iterator[dict[str, object]]:
    """Makes the machine what docs/operations.md advises, as far as we may, and at the end what it was: ADVISED, and processors that do not sleep.

    A virtual processor that halts goes back to its host, which may take tens of milliseconds to give it back. Held open with a zero in it,
    /dev/cpu_dma_latency, the kernel's interface for that, keeps idle ones awake (deploy/systemd/sluice-awake.service).
    Yields what the settings are. Of two runs at once the second would note the first one's as the machine's: it is refused.
    """
    with contextlib.ExitStack() as undone:
        lock = undone.enter_context(open(pathlib.Path(tempfile.gettempdir(), f"sluice-bench-{os.getuid()}.lock"), "a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Broken("another benchmark runs on this machine") from None
        for name, value in ADVISED.items():
            setting = pathlib.Path("/proc/sys", name)
            try:
                undone.callback(_put_back, setting, setting.read_text())
                setting.write_text(value)
            except OSError as error:
                print(f"bench: {name} stays as it is: {error.strerror}", file=sys.stderr)
        is_awake = False
        try:
            # Not made where there is none.
            awake = os.open("/dev/cpu_dma_latency", os.O_WRONLY)
            undone.callback(os.close, awake)
            is_awake = os.write(awake, struct.pack("i", 0)) == 4
        except OSError as error:
            print(f"bench: processors may sleep: {error.strerror}", file=sys.stderr)
        yield settings() | {"held_awake": is_awake}


def settings() -> dict[str, object]:
    """Those of ADVISED as they are, and the kernel's driver for idle processors: without one, holding them awake has no effect."""
    paths = {name: pathlib.Path("/proc/sys", name) for name in ADVISED} | {"cpuidle_driver": pathlib.Path("/sys/devices/system/cpu/cpuidle/current_driver")}
    return {name.split("/")[-1]: path.read_text().strip() for name, path in paths.items() if path.exists()}


def _put_back(setting: pathlib.Path, value: str) -> None:
    with contextlib.suppress(OSError):
        setting.write_text(value)


def describe_postgres(server: Server) -> dict[str, str]:
    names = ", ".join(f"'{name}'" for name in POSTGRES_SETTINGS)
    rows = server.psql(f"SELECT name, current_setting(name) FROM pg_settings WHERE name IN ({names}) ORDER BY 1")
    return dict(row.split("|", 1) for row in rows.splitlines())


def describe_commit() -> dict[str, object]:
    """Whether the programs are those of the commit: ours are of the sources as they are, or refused; of others, SLUICE_BIN's, nobody knows."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "programs": "SLUICE_BIN's" if os.environ.get("SLUICE_BIN") else "built here",
    }


def file_system(folder: pathlib.Path) -> str:
    """The type of the file system that holds this folder, like ext4."""
    best, kind = "", "unknown"
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/mounts").read_text().splitlines():
            place, type_ = line.split()[1:3]
            if folder.resolve().is_relative_to(place) and len(place) >= len(best):
                best, kind = place, type_
    return kind


def fdatasync_microseconds(folder: pathlib.Path, times: int = 200) -> float:
    """The median of writing 8 KiB and waiting until the disk has it: the least that one commit alone can take."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        os.pwrite(file.fileno(), bytes(8192 * times), 0)
        os.fsync(file.fileno())
        for number in range(times):
            began = time.perf_counter()
            os.pwrite(file.fileno(), b"s" * 8192, 8192 * number)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return sorted(taken)[times // 2] * 1e6


def _first_line(path: str, name: str) -> str | None:
    with contextlib.suppress(OSError):
        for line in pathlib.Path(path).read_text().splitlines():
            if line.startswith(name):
                return line.split(":", 1)[1].strip()
    return None


def _system() -> str:
    with contextlib.suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    return platform.system()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip()
