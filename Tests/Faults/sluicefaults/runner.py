"""Runs rows one after the other, each within its time, and prints the table."""
from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from .machine import LeftOut, Wrong, binary
from .world import Trial, World


@dataclass(frozen=True)
class Row:
    name: str
    injected: str
    run: Callable[[Trial], None]
    bound: int
    """Seconds."""
    short: bool
    """Also in `make test`."""


@dataclass
class Result:
    row: Row
    verdict: str
    figures: str
    seconds: float


ROWS: list[Row] = []


def row(injected: str, *, bound: int = 60, short: bool = False) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
    """Makes a function of this module a row of the table; its name is the function's."""

    def add(function: Callable[[Trial], None]) -> Callable[[Trial], None]:
        ROWS.append(Row(function.__name__.replace("_", "-"), injected, function, bound, short))
        return function

    return add


class TooLong(Exception):
    pass


def _too_long(*_: object) -> None:
    raise TooLong


def _ended(*_: object) -> None:
    raise SystemExit("faults: ended by SIGTERM")


def run_row(world: World, one: Row) -> Result:
    trial, begin = Trial(world, one.name), time.monotonic()
    verdict = "pass"
    signal.setitimer(signal.ITIMER_REAL, one.bound)
    try:
        try:
            one.run(trial)
            trial.judge()
        finally:
            # Ending has bounds of its own.
            signal.setitimer(signal.ITIMER_REAL, 0)
            trial.ends.close()
            world.heal()
    except LeftOut as reason:
        verdict = f"left out: {reason}"
    except TooLong:
        trial.faults.append(f"not over after {one.bound} s")
    except Wrong as wrong:
        trial.faults.append(str(wrong))
    except SystemExit as ended:
        if "SIGTERM" in str(ended):
            raise
        trial.faults.append(str(ended))
    except Exception as error:  # a row that breaks is one failure, and the next one runs
        traceback.print_exc()
        trial.faults.append(f"broke: {error!r}")
    if trial.faults and verdict == "pass":
        verdict = "FAIL: " + "; ".join(trial.faults)
    return Result(one, verdict, ", ".join(trial.figures), time.monotonic() - begin)


def table(results: list[Result]) -> str:
    lines = ["| row | injected | figures | s | verdict |", "|---|---|---|--:|---|"]
    lines += [f"| {r.row.name} | {r.row.injected} | {r.figures} | {r.seconds:.0f} | {r.verdict} |" for r in results]
    return "\n".join(lines)


def closing(results: list[Result]) -> str:
    passed = sum(r.verdict == "pass" for r in results)
    failed = sum(r.verdict.startswith("FAIL") for r in results)
    left_out = [r for r in results if r.verdict.startswith("left out")]
    reasons = f" ({'; '.join(f'{r.row.name}: {r.verdict[10:]}' for r in left_out)})" if left_out else ""
    return f"faults: {passed} passed, {failed} failed, {len(left_out)} left out{reasons}"


def chosen(arguments: argparse.Namespace) -> list[Row]:
    if not arguments.only:
        return [one for one in ROWS if one.short or not arguments.short]
    names = arguments.only.split(",")
    if unknown := [name for name in names if name not in {one.name for one in ROWS}]:
        raise SystemExit(f"faults: no such row: {', '.join(unknown)} (--list shows them)")
    return [one for one in ROWS if one.name in names]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="faults.py", description="Puts faults into a running installation and compares what clients know with the rows.")
    parser.add_argument("--only", help="rows, with commas between")
    parser.add_argument("--short", action="store_true", help="the rows that make test runs")
    parser.add_argument("--seed", type=int, default=1, help="of what clients send, and when faults come (1)")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    arguments = parser.parse_args(argv)
    rows = chosen(arguments)
    if arguments.list:
        print("\n".join(f"{one.name:20} {'short' if one.short else '     '}  {one.injected}" for one in rows))
        return 0
    for name in ("sluice", "sluice-api"):
        binary(name)
    signal.signal(signal.SIGTERM, _ended)
    signal.signal(signal.SIGALRM, _too_long)
    begin, results, world = time.monotonic(), [], World(arguments.seed)
    try:
        for one in rows:
            result = run_row(world, one)
            results.append(result)
            print(f"{one.name}: {result.figures}: {result.verdict} ({result.seconds:.1f} s)", flush=True)
    finally:
        failed = any(r.verdict.startswith("FAIL") for r in results)
        if failed and os.environ.get("FAULTS_KEEP"):
            print(f"what the programs said is in {world.folder}", file=sys.stderr)
        else:
            world.remove()
    print(f"\n{table(results)}\n\nseed {arguments.seed}, {time.monotonic() - begin:.0f} s")
    for one in results:
        if one.verdict.startswith("FAIL"):
            print(f"failed: faults, {one.row.name}: {one.verdict[6:]}")
    print(closing(results), flush=True)
    return 0 if results and not failed else 1
