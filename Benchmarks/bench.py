#!/usr/bin/env python3
"""Sluice's benchmarks. `make bench` builds what they need and runs this; docs/performance.md says what is measured, and how.

The exit status is 0 when every run was sound (no lost row, no answer but 2xx), 1 when one was not or, with --strict, when a
bar was missed, 64 for a wrong command line.
"""
from __future__ import annotations

import argparse
import contextlib
import pathlib
import shutil
import signal
import sys
from collections.abc import Callable

from sluicebench.failure import Broken
from sluicebench.history import history
from sluicebench.machine import as_advised, describe_commit, describe_machine, file_system, settings
from sluicebench.options import Options
from sluicebench.programs import check_built
from sluicebench.report import Report
from sluicebench.response import fairness, latency
from sluicebench.soak import soak
from sluicebench.stream import stream
from sluicebench.versus import bulk, bulk_slots, single, slots, tokens

Benchmark = Callable[[Options, Report], Report]
BENCHMARKS: dict[str, Benchmark] = {
    "single": single, "slots": slots, "tokens": tokens, "bulk": bulk, "bulk-slots": bulk_slots, "stream": stream, "latency": latency, "fairness": fairness,
    "history": history,
}
# An hour is only taken by name.
LONG: dict[str, Benchmark] = {"soak": soak}


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        self.print_usage(sys.stderr)
        self.exit(64, f"bench: {message}\n")


def rate(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 1_000_000:
        raise ValueError
    return value


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="bench.py", description="Benchmarks of Sluice.")
    parser.add_argument("benchmark", nargs="?", default="all", choices=[*BENCHMARKS, *LONG, "all"])
    parser.add_argument("--rounds", type=int, default=5, choices=range(1, 21), metavar="1…20", help="of what is measured in turns, each both ways (5)")
    parser.add_argument("--seconds", type=float, default=10, help="of each half of a round; latency, soak: to measure single's rate (10)")
    parser.add_argument("--warm-up", type=float, default=3, help="seconds before the first round (3)")
    parser.add_argument("--rate", type=rate, help="latency, soak: requests a second (half of what single gives before)")
    parser.add_argument("--latency-seconds", type=float, default=30, help="latency: of each half of a round (30)")
    parser.add_argument("--small-mb", type=int, default=100, help="stream: the first body")
    parser.add_argument("--large-mb", type=int, default=1000, help="stream: the second body")
    parser.add_argument("--rows", type=int, default=10_000_000, help="history: events to begin with (10 million)")
    parser.add_argument("--soak-seconds", type=float, default=3600, help="soak: how long (an hour)")
    parser.add_argument("--as-found", action="store_true", help="leave the machine as it is, not as docs/operations.md advises")
    parser.add_argument("--scratch", type=pathlib.Path, default=pathlib.Path("/var/tmp"), help="where the database is made; no tmpfs")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a bar is missed")
    return parser.parse_args(arguments)


def options_of(asked: argparse.Namespace) -> Options:
    return Options(
        scratch=asked.scratch, rounds=asked.rounds, seconds=asked.seconds, warm_up=asked.warm_up,
        rate=asked.rate, latency_seconds=asked.latency_seconds, small_mb=asked.small_mb, large_mb=asked.large_mb,
        rows=asked.rows, soak_seconds=asked.soak_seconds, as_found=asked.as_found,
    )


def check_tools() -> None:
    missing = [name for name in ("wrk", "pgbench", "psql") if shutil.which(name) is None]
    if missing:
        raise Broken(f"{', '.join(missing)} not found: run scripts/setup.sh bench")
    check_built()


def run(name: str, options: Options, command: list[str]) -> Report:
    print(f"bench: {name}", file=sys.stderr, flush=True)
    context: dict[str, object] = {"command": command, **describe_commit(), "machine": describe_machine(options.scratch)}
    report = Report(name, context)
    try:
        with contextlib.nullcontext(settings()) if options.as_found else as_advised() as made:
            report.context["settings"] = made
            (BENCHMARKS | LONG)[name](options, report)
    except Broken:
        # What was measured until then.
        report.print()
        raise
    report.print()
    report.write()
    return report


def run_all(names: list[str], options: Options, command: list[str]) -> tuple[bool, bool]:
    """Whether all runs were sound, and whether all bars were met. One broken benchmark does not stop the next."""
    sound = met = True
    for name in names:
        try:
            report = run(name, options, command)
        except Broken as broken:
            print(f"\n## {name}\n\nBROKEN  {broken}\n", flush=True)
            sound = False
            continue
        met = met and report.met
    return sound, met


def ended(number: int, _: object) -> None:
    raise SystemExit(f"bench: ended by {signal.Signals(number).name}")


def main(arguments: list[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ended)
    asked = parsed(arguments)
    try:
        check_tools()
        if file_system(asked.scratch) in ("tmpfs", "ramfs"):
            raise Broken(f"{asked.scratch} is in memory, where nothing is durable: name another folder with --scratch")
    except Broken as broken:
        print(f"bench: {broken}", file=sys.stderr)
        return 1
    names = list(BENCHMARKS) if asked.benchmark == "all" else [asked.benchmark]
    sound, met = run_all(names, options_of(asked), ["Benchmarks/bench.py", *arguments])
    return 0 if sound and (met or not asked.strict) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
