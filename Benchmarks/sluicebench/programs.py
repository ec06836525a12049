"""The programs that are measured and the generator: where they are, and whether they are of the sources as they are."""
from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable

from .failure import Broken

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATORS = ROOT / "Benchmarks" / "generators"
OPEN_LOOP = ROOT / ".build" / "openloop"
_RELEASE = ROOT / ".build" / "release"
# As old as the beginning of the last `make build` that came to its end. The programs themselves are no measure: each is linked alone, and a source may
# have been saved after it was compiled.
_BUILT = _RELEASE / "built"
_SOURCES = ("Makefile", "Package.swift", "Plugins", "Sources", "client/macos", "sql")


def sluice() -> pathlib.Path:
    """The command-line tool, with the API beside it: of our release build, or in the folder that SLUICE_BIN names."""
    return pathlib.Path(os.environ.get("SLUICE_BIN") or _RELEASE, "sluice").resolve()


def check_built() -> None:
    """Broken unless programs and generator are there and, if they are ours, of the sources as they are: what SLUICE_BIN names is taken on trust."""
    if not os.access(sluice(), os.X_OK):
        raise Broken(f"there is no {sluice()}: run make build, or name its folder with SLUICE_BIN")
    if not os.environ.get("SLUICE_BIN"):
        _check_newer(_BUILT, _SOURCES, "make build")
    _check_newer(OPEN_LOOP, ["Benchmarks/generators/openloop.c"], "make .build/openloop")


def _check_newer(made: pathlib.Path, sources: Iterable[str], remedy: str) -> None:
    """Folders count too: theirs is the time at which something in them came or went."""
    if not made.exists():
        raise Broken(f"there is no {made}: run {remedy}")
    for source in (ROOT / name for name in sources):
        for path in (source, *source.rglob("*")):
            if path.stat().st_mtime > made.stat().st_mtime:
                raise Broken(f"{path.relative_to(ROOT)} is newer than what was built: run {remedy}")
