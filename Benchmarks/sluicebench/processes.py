"""Processes and the processor time that they took, from /proc (proc(5))."""
from __future__ import annotations

import contextlib
import os
import pathlib
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Stat:
    name: str
    parent: int
    cpu: float
    """Seconds, user and system."""
    reaped_cpu: float
    """Seconds of children that ended and were waited for."""


def stat_of(pid: int) -> Stat | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        ticks = [int(field) for field in rest[11:15]]
        return Stat(name, int(rest[1]), (ticks[0] + ticks[1]) / TICKS, (ticks[2] + ticks[3]) / TICKS)
    return None


def name_of(pid: int) -> str | None:
    stat = stat_of(pid)
    return stat.name if stat else None


def all_stats() -> dict[int, Stat]:
    pids = (int(entry.name) for entry in pathlib.Path("/proc").glob("[0-9]*"))
    return {pid: stat for pid in pids if (stat := stat_of(pid)) is not None}


def _family(root: int, stats: dict[int, Stat]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    found, waiting = set(), list(children.get(root, []))
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += children.get(pid, [])
    return found


def descendants(root: int) -> dict[int, str]:
    """Process ids below this one, and their names."""
    stats = all_stats()
    return {pid: stats[pid].name for pid in _family(root, stats)}


@dataclass(frozen=True)
class Usage:
    """Processor seconds."""

    api: float = 0
    postgres: float = 0
    machine: float = 0
    """All processes of this machine, so that somebody else's load shows."""
    stolen: float = 0
    """Of `machine`, what the host of a virtual machine gave to others."""

    def __sub__(self, earlier: Usage) -> Usage:
        return Usage(
            self.api - earlier.api, self.postgres - earlier.postgres, self.machine - earlier.machine, self.stolen - earlier.stolen
        )


def usage_below(root: int) -> Usage:
    """What sluice-api and PostgreSQL below `sluice up` have taken so far. PostgreSQL's ended backends are in the
    postmaster's account of reaped children."""
    stats = all_stats()
    family = _family(root, stats)
    api = sum(stats[pid].cpu for pid in family if stats[pid].name == "sluice-api")
    postgres = sum(stats[pid].cpu + stats[pid].reaped_cpu for pid in family if stats[pid].name.startswith("postgres"))
    return Usage(api, postgres, *machine_cpu())


def machine_cpu() -> tuple[float, float]:
    """Seconds that this machine's processors were busy since it started, all but idle and iowait, and of them those that were stolen."""
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / TICKS, fields[7] / TICKS
