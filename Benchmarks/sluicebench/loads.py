"""The load generators, run to their end: what they did, and the processor time that they and the server took for it."""
from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from . import payloads
from .failure import Broken
from .processes import usage_below
from .programs import GENERATORS, OPEN_LOOP
from .server import Server, end_with_parent
from .tenancy import Sender

SECONDS_OF_BLOCKS = 60_000


@dataclass
class Cpu:
    """Processor seconds while a load ran."""

    api: float
    postgres: float
    generator: float
    others: float
    """Everything else on this machine: kernel threads' work for us, and whoever else is here."""
    machine_share: float
    """Of all cores, how much was busy."""
    stolen_share: float = 0
    """Of all cores, how much the host of this virtual machine gave to others while we wanted it; a part of `machine_share`."""

    def per_event(self, events: float) -> dict[str, float]:
        """Microseconds an event."""
        names = ("api", "postgres", "generator")
        return {name: round(getattr(self, name) / events * 1e6, 2) for name in names} if events else {}


@dataclass
class Run:
    """One load, whole."""

    name: str
    events: int
    """Acknowledged as stored (HTTP), or committed (SQL)."""
    seconds: float
    cpu: Cpu
    detail: dict[str, object] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    def raw(self) -> dict[str, object]:
        return asdict(self) | {"rate": round(self.rate, 1), "us_per_event": self.cpu.per_event(self.events)}


def measured(server: Server, work: Callable[[], tuple[str, float]]) -> tuple[str, float, Cpu]:
    """Runs `work`, which gives its output and its generator's processor seconds, between two looks at /proc."""
    before, began = usage_below(server.pid), time.monotonic()
    output, generator = work()
    took, used = time.monotonic() - began, usage_below(server.pid) - before
    others = max(0.0, used.machine - used.api - used.postgres - generator)
    cores = took * len(os.sched_getaffinity(0))
    shares = (round(used.machine / cores, 3), round(used.stolen / cores, 3))
    return output, took, Cpu(used.api, used.postgres, generator, round(others, 2), *shares)


def run_program(
    arguments: list[str], environment: dict[str, str], patience: float, script: str | None = None
) -> tuple[str, float]:
    """A generator's output and processor seconds; Broken when it fails or does not end in time."""
    process = subprocess.Popen(
        arguments, env=environment, text=True, preexec_fn=end_with_parent,
        stdin=subprocess.PIPE if script is not None else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    before = os.times()
    try:
        out, err = process.communicate(script, timeout=patience)
    except subprocess.TimeoutExpired as expired:
        raise Broken(f"{arguments[0]} did not end within {patience:.0f} s") from expired
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    after = os.times()
    if process.returncode:
        raise Broken(f"{arguments[0]} exited {process.returncode}: {(err or out)[-800:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return out, cpu


# ── HTTP ────────────────────────────────────────────────────────────────────────────────────────────────────────


def write_private(path: pathlib.Path, content: str | bytes) -> pathlib.Path:
    """A file that holds a key: for nobody else's eyes."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


def sap_plan(server: Server, sender: Sender) -> pathlib.Path:
    """What single.lua and openloop.c read: target, credential, bodies."""
    lines = [sender.target, f"Authorization: Bearer {sender.key}"]
    lines += ["\t".join(parts) for parts in payloads.sap_templates()]
    return write_private(server.private / f"sap-{sender.tenant}.plan", "\n".join(lines) + "\n")


def block_plan(server: Server, sender: Sender, base: int) -> tuple[pathlib.Path, pathlib.Path]:
    """What bulk.lua reads: target, credential and places; and the block itself."""
    block = payloads.ndjson_block()
    (second,), (number,) = block.seconds, block.numbers
    lines = [sender.target, f"Authorization: Bearer {sender.key}", f"{block.stride} {second} {number} {base}"]
    plan = write_private(server.private / f"block-{sender.tenant}.plan", "\n".join(lines) + "\n")
    body = server.private / "block.ndjson"
    body.write_bytes(block.lines)
    return plan, body


def wrk(server: Server, script: str, connections: int, threads: int, seconds: float, arguments: list[str]) -> Run:
    command = [
        "wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds:g}s", "--timeout", "30s",
        "-s", str(GENERATORS / script), f"http://127.0.0.1:{server.port}/", "--", *arguments,
    ]
    output, _, cpu = measured(server, lambda: run_program(command, server.environment, seconds + 60))
    server.settle()
    line = re.search(r"^BENCH (.*)$", output, re.MULTILINE)
    if line is None:
        raise Broken(f"wrk said nothing of its requests: {output[-800:]}")
    result = json.loads(line[1])
    if result["not_2xx"] or result["broken"]:
        raise Broken(f"wrk: {result['not_2xx']} answers were not 2xx, {result['broken']} requests had none")
    return Run("sluice", result["requests"], result["seconds"], cpu, result)


def post_singles(server: Server, plan: pathlib.Path, number: int, seconds: float, connections: int = 64) -> Run:
    run = wrk(server, "single.lua", connections, 2, seconds, [str(plan), str(number * 10_000_000_000)])
    if run.detail["accepted"] != run.detail["requests"]:
        raise Broken(f"{run.detail['requests']} answers were 2xx, but only {run.detail['accepted']} of them said accepted: 1")
    return run


def post_blocks(
    server: Server, plan: tuple[pathlib.Path, pathlib.Path], first: int, seconds: float, connections: int = 8, threads: int = 2
) -> Run:
    run = wrk(server, "bulk.lua", connections, threads, seconds, [str(plan[0]), str(plan[1]), str(first)])
    run.events = int(run.detail["accepted"])
    if run.events != run.detail["requests"] * payloads.RECORDS_PER_BLOCK:
        raise Broken(f"{run.detail['requests']} bodies of 1,000 records were answered 2xx, but {run.events} records accepted")
    return run


def open_loop(
    server: Server, plan: pathlib.Path, first: int, rate: float, seconds: float, connections: int = 64, warm_up: float = 2
) -> Run:
    command = [
        str(OPEN_LOOP), str(server.port), str(plan), str(first), f"{rate:.2f}", f"{seconds:g}", str(connections), f"{warm_up:g}"
    ]
    output, _, cpu = measured(server, lambda: run_program(command, server.environment, seconds + warm_up + 90))
    result = json.loads(output)
    if result["not_2xx"] or result["not_accepted"]:
        raise Broken(f"open loop: {result['not_2xx']} answers were not 2xx, {result['not_accepted']} did not say accepted: 1")
    return Run("sluice", result["accepted"], result["seconds"], cpu, result)


# ── SQL, beside it ──────────────────────────────────────────────────────────────────────────────────────────────


def pgbench(server: Server, script: pathlib.Path, seconds: float, clients: int = 16, rate: float | None = None) -> Run:
    """With a rate, an open loop too: latencies count from when each transaction was due."""
    command = [
        "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", f"{max(1, round(seconds))}",
        "-D", "expires=2030-11-06T17:24:31Z", "-f", str(script),
    ]
    prefix = server.private / "pgbench"
    if rate is not None:
        command += ["-R", f"{rate:.0f}", "--log", f"--log-prefix={prefix}"]
    output, _, cpu = measured(server, lambda: run_program(command, server.database_environment(), seconds + 60))
    done = re.search(r"number of transactions actually processed: (\d+)", output)
    reached = re.search(r"tps = ([0-9.]+) \(without initial connection time\)", output)
    failed = re.search(r"number of failed transactions: (\d+)", output)
    if done is None or reached is None or (failed is not None and int(failed[1])):
        raise Broken(f"pgbench: {output[-800:]}")
    detail: dict[str, object] = {"tps": float(reached[1])}
    if rate is not None:
        detail["latency_us"] = _pgbench_latencies(prefix)
    return Run("pgbench", int(done[1]), int(done[1]) / float(reached[1]), cpu, detail)


def _pgbench_latencies(prefix: pathlib.Path) -> dict[str, int]:
    """A log's third column is the microseconds of each transaction, its wait for a client included."""
    times: list[int] = []
    for file in prefix.parent.glob(f"{prefix.name}.*"):
        times += [int(line.split()[2]) for line in file.read_text().splitlines()]
        file.unlink()
    times.sort()
    return {name: times[min(len(times) - 1, int(len(times) * share))] for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999))}


def copy(server: Server, file: pathlib.Path, rows: int, slots: dict[str, int]) -> Run:
    """psql's \\copy, one connection, one transaction."""
    script = f"\\timing on\n\\copy sluice.events ({payloads.columns(slots)}) FROM '{file}'\n"
    command = ["psql", "-X", "-v", "ON_ERROR_STOP=1"]
    output, _, cpu = measured(server, lambda: run_program(command, server.database_environment(), 600, script))
    done, took = re.search(r"^COPY (\d+)$", output, re.MULTILINE), re.search(r"^Time: ([0-9.]+) ms", output, re.MULTILINE)
    if done is None or took is None or int(done[1]) != rows:
        raise Broken(f"psql: {output[-800:]}")
    return Run("copy", rows, float(took[1]) / 1000, cpu)
