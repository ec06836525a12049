"""`latency` and `fairness`: how long one sender waits, in an open loop."""
from __future__ import annotations

import contextlib
import pathlib
import statistics
import threading
import time
from collections.abc import Iterator

from .failure import Broken
from .loads import Run, block_plan, open_loop, pgbench, post_blocks, post_singles, sap_plan
from .options import Options
from .report import Bar, Report
from .server import Server
from .tenancy import check_stored, fluent_bit_sender, sap_sender
from .versus import insert_script

FLOOD_SECONDS = 20.0
QUIET_RATE = 200.0


def latency(options: Options, report: Report) -> Report:
    """Single posts at half of what `single` measures right before, from the time that each was due; in turns with pgbench's INSERT at the same rate."""
    late: dict[str, list[dict[str, int]]] = {"sluice": [], "pgbench": []}
    with Server(options.scratch) as server:
        report.context |= options.describe(server)
        sender, other = sap_sender(server), sap_sender(server, "plain-sql")
        plan, script = sap_plan(server, sender), insert_script(server, other)
        # Right after the start, into an empty table, it is a seventh more.
        warm = [] if options.rate is not None else [post_singles(server, plan, 1, options.warm_up)]
        probes: list[Run] = []
        rates: list[float] = []
        for number in range(options.rounds):
            rate = options.rate
            if rate is None:
                # Before each round: within minutes the same machine does a third more or less.
                server.psql("CHECKPOINT")
                probes.append(post_singles(server, plan, 2 + number, options.seconds))
                rate = probes[-1].rate / 2
            rates.append(rate)
            turns = {
                "sluice": lambda: open_loop(server, plan, (50 + number) * 10_000_000_000, rate, options.latency_seconds),
                "pgbench": lambda: pgbench(server, script, options.latency_seconds, rate=rate),
            }
            for name, turn in turns.items():
                server.psql("CHECKPOINT")
                with _lateness() as lateness:
                    report.runs.append(turn())
                late[name].append(_percentiles(lateness))
            _check_pace(report.named("sluice")[-1], rate)
        ours, plain = report.named("sluice"), report.named("pgbench")
        closed = warm + probes
        report.figures["rows"] = check_stored(server, sender, sum(run.events for run in closed + ours), 64 * len(closed))
        report.figures["rows of plain SQL"] = check_stored(server, other, sum(run.events for run in plain), 0)
    report.figures["single's rate before each round"] = [round(run.rate, 1) for run in probes]
    report.figures["rates asked for"] = [round(rate, 1) for rate in rates]
    report.figures["latency µs, from when due"] = [run.detail["latency_us"] for run in ours]
    report.figures["service µs, from when sent"] = [run.detail["service_us"] for run in ours]
    report.figures["p99 µs of each second"] = [run.detail.pop("p99_by_second_us") for run in ours]
    report.figures["pgbench: latency µs, from when due"] = [run.detail["latency_us"] for run in plain]
    report.figures["a timer's lateness µs beside each"] = late
    report.figures["p99 ÷ pgbench's"] = [round(_p99(run) / _p99(its), 2) for run, its in zip(ours, plain, strict=True)]
    report.figures["most requests due without a connection"] = [run.detail["backlog"] for run in ours]
    report.bars.append(Bar("p99, median of the rounds", statistics.median(map(_p99, ours)), 10, unit=" ms", least=False))
    return report


@contextlib.contextmanager
def _lateness() -> Iterator[list[float]]:
    """How much later than due a thread wakes that does nothing but sleep, 200 times a second: what the machine adds to whatever runs on it."""
    late: list[float] = []
    over = threading.Event()

    def sleep() -> None:
        while not over.is_set():
            due = time.perf_counter() + 0.005
            time.sleep(0.005)
            late.append((time.perf_counter() - due) * 1e6)

    thread = threading.Thread(target=sleep)
    thread.start()
    try:
        yield late
    finally:
        over.set()
        thread.join()


def _percentiles(values: list[float]) -> dict[str, int]:
    ordered = sorted(values)
    if not ordered:
        raise Broken("the load was over before a timer had run")
    return {name: round(ordered[int(len(ordered) * share)]) for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999))}


def _check_pace(run: Run, rate: float) -> None:
    """When the generator could not keep up, latencies say so; a rate far from the one asked for would be another test."""
    reached = run.events / run.seconds
    if reached < rate * 0.5:
        raise Broken(f"only {reached:.0f} of {rate:.0f} requests a second were answered: that is too much")


def _p99(run: Run) -> float:
    figures = run.detail["latency_us"]
    assert isinstance(figures, dict)
    return float(figures["p99"]) / 1000


def fairness(options: Options, report: Report) -> Report:
    """One tenant's p99 when nothing else runs, and while another tenant floods with 1,000-record bodies, in turns."""
    ratios: list[float] = []
    with Server(options.scratch) as server:
        report.context |= options.describe(server)
        quiet, loud = sap_sender(server, "quiet"), fluent_bit_sender(server, "loud")
        plan, flood_plan = sap_plan(server, quiet), block_plan(server, loud, int(time.time()) - 70_000)
        answered, flooding = open_loop(server, plan, 1, QUIET_RATE, 2, 16, 1).events, 0
        for number in range(1, options.rounds + 1):
            server.psql("CHECKPOINT")
            idle = open_loop(server, plan, number * 20_000_000_000, QUIET_RATE, FLOOD_SECONDS / 2, 16)
            server.psql("CHECKPOINT")
            flooded, flood = _under_flood(server, plan, flood_plan, number)
            idle.name, flooded.name, flood.name = "idle", "flooded", "flood"
            report.runs += [idle, flooded, flood]
            answered, flooding = answered + idle.events + flooded.events, flooding + flood.events
            ratios.append(_p99(flooded) / _p99(idle))
        report.figures["rows"] = check_stored(server, quiet, answered, 0)
        report.figures["rows of the flood"] = check_stored(server, loud, flooding, 8000 * options.rounds)
    for name in ("idle", "flooded"):
        report.figures[f"{name}: latency µs"] = [run.detail["latency_us"] for run in report.named(name)]
    report.figures["p99 under flood ÷ idle, each round"] = [round(ratio, 2) for ratio in ratios]
    report.bars.append(Bar("p99 under flood ÷ idle, median of the rounds", statistics.median(ratios), 3, least=False))
    return report


def _under_flood(server: Server, plan: pathlib.Path, flood_plan: tuple[pathlib.Path, pathlib.Path], number: int) -> tuple[Run, Run]:
    """The quiet tenant's posts fall within the flood's time."""
    outcome: list[Run | Exception] = []

    def flood() -> None:
        try:
            outcome.append(post_blocks(server, flood_plan, number * 1_000_000, FLOOD_SECONDS, threads=1))
        except Exception as error:  # handed to the main thread
            outcome.append(error)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        time.sleep(1)
        flooded = open_loop(server, plan, number * 20_000_000_000 + 10_000_000_000, QUIET_RATE, FLOOD_SECONDS - 8, 16)
    finally:
        thread.join()
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return flooded, outcome[0]
