"""`soak`: an hour at half of `single`'s rate. What a server holds on to is as much at the end as after its first minutes."""
from __future__ import annotations

import contextlib
import pathlib
import statistics
import threading
from dataclasses import dataclass

from .failure import Broken
from .loads import open_loop, post_singles, sap_plan
from .options import Options
from .report import Bar, Report
from .server import Server
from .tenancy import check_stored, sap_sender

SAMPLE_SECONDS = 10.0
# Of the samples that count: those behind the first tenth, in which caches fill.
PARTS = 4
GROWTH, MORE_DESCRIPTORS, MORE_BACKENDS = 1.1, 2, 1


@dataclass
class Sample:
    memory: int
    descriptors: int
    threads: int
    backends: int


def soak(options: Options, report: Report) -> Report:
    with Server(options.scratch) as server:
        report.context |= options.describe(server)
        sender = sap_sender(server)
        plan = sap_plan(server, sender)
        acknowledged, cut_off = 0, 0
        rate = options.rate
        if rate is None:
            probes = [post_singles(server, plan, number, options.seconds) for number in (1, 2, 3)]
            rate = statistics.median(probe.rate for probe in probes[1:]) / 2
            acknowledged, cut_off = sum(probe.events for probe in probes), 64 * len(probes)
        with _sampling(server) as samples:
            run = open_loop(server, plan, 50 * 10_000_000_000, rate, options.soak_seconds)
        report.runs.append(run)
        report.figures["rows"] = check_stored(server, sender, acknowledged + run.events, cut_off)
    report.figures["rate asked for"] = round(rate, 1)
    report.figures["latency µs, from when due"] = run.detail["latency_us"]
    counted = samples[len(samples) // 10 :]
    if len(counted) < PARTS:
        raise Broken(f"{len(samples)} samples are too few: give it --soak-seconds of {SAMPLE_SECONDS * PARTS * 2:.0f} and more")
    size = len(counted) // PARTS
    first, last = counted[:size], counted[-size:]
    report.figures["samples"] = len(samples)
    for name in ("memory", "descriptors", "threads", "backends"):
        values = [getattr(sample, name) for sample in counted]
        report.figures[f"{name}: first part, last part, most"] = [_median(first, name), _median(last, name), max(values)]
    report.bars.append(Bar("memory, last part ÷ first", _median(last, "memory") / _median(first, "memory"), GROWTH, least=False))
    report.bars.append(Bar("more descriptors", _median(last, "descriptors") - _median(first, "descriptors"), MORE_DESCRIPTORS, least=False))
    report.bars.append(Bar("more backends", _median(last, "backends") - _median(first, "backends"), MORE_BACKENDS, least=False))
    return report


def _median(samples: list[Sample], name: str) -> float:
    return float(statistics.median(getattr(sample, name) for sample in samples))


@contextlib.contextmanager
def _sampling(server: Server):  # type: ignore[no-untyped-def]
    """Looks at the API as long as the body runs."""
    samples: list[Sample] = []
    failed: list[Exception] = []
    over = threading.Event()

    def look() -> None:
        try:
            pid = server.api_pid()
            while not over.wait(SAMPLE_SECONDS):
                samples.append(_sample(server, pid))
        except Exception as error:  # handed to the main thread
            failed.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
    if failed:
        raise Broken(f"the server could not be looked at: {failed[0]}")


def _sample(server: Server, pid: int) -> Sample:
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    backends = server.psql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'sluice_api'")
    return Sample(
        memory=int(status["VmRSS"].split()[0]) * 1024,
        descriptors=sum(1 for _ in pathlib.Path(f"/proc/{pid}/fd").iterdir()),
        threads=int(status["Threads"]),
        backends=int(backends),
    )
