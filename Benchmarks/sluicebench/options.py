"""What the command line asked for."""
from __future__ import annotations

import pathlib
from dataclasses import dataclass

from .machine import describe_postgres
from .server import Server


@dataclass
class Options:
    scratch: pathlib.Path
    rounds: int
    seconds: float
    warm_up: float
    rate: float | None
    latency_seconds: float
    small_mb: int
    large_mb: int
    rows: int
    soak_seconds: float
    as_found: bool

    def describe(self, server: Server) -> dict[str, object]:
        return {"postgres": describe_postgres(server)}
