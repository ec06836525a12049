"""`stream`: one body of a gigabyte, plain and gzip: throughput, and the server's peak of memory."""
from __future__ import annotations

import http.client
import json
import pathlib
import resource
import select
import shutil
import socket
import time
import zlib
from collections.abc import Iterator

from . import payloads
from .failure import Broken
from .loads import SECONDS_OF_BLOCKS, Run, measured
from .options import Options
from .report import Bar, Report
from .server import Server
from .tenancy import Sender, check_stored, fluent_bit_sender

MEGABYTE = 1_000_000
PATIENCE = 60.0
# Data, indexes and write-ahead log of what a body holds, and the body itself.
DISK_FACTOR = 6
NO_GROWTH_MB = 10


def stream(options: Options, report: Report) -> Report:
    """For each encoding a server of its own takes the small body, then the large one; its peak is read after each."""
    _check_disk(options)
    for encoding in ("plain", "gzip"):
        _stream(options, report, encoding)
    return report


def _check_disk(options: Options) -> None:
    needed = (options.small_mb + options.large_mb) * MEGABYTE * DISK_FACTOR
    free = shutil.disk_usage(options.scratch).free
    if free < needed:
        raise Broken(f"{options.scratch} has {free / 1e9:.1f} GB free, but stream may need {needed / 1e9:.1f} GB")


def _stream(options: Options, report: Report, encoding: str) -> None:
    limit = str((options.large_mb + 100) * MEGABYTE)
    with Server(options.scratch, {"MAX_BODY_BYTES": limit, "MAX_DECOMPRESSED_BYTES": limit}) as server:
        report.context |= options.describe(server)
        sender = fluent_bit_sender(server, "stream")
        base, first, peaks, stored = int(time.time()) - 70_000, 1_000_000, [], 0
        before = server.api_peak_memory()
        for size in (options.small_mb, options.large_mb):
            run = _send(server, sender, encoding, size, base, first)
            first += 1_000_000
            stored += run.events
            peaks.append(server.api_peak_memory())
            run.detail["peak_mb"] = round(peaks[-1] / MEGABYTE, 1)
            report.runs.append(run)
        report.figures[f"{encoding}: rows"] = check_stored(server, sender, stored, 0)
    report.figures[f"{encoding}: MB/s"] = [run.detail["mb_per_second"] for run in report.runs[-2:]]
    report.figures[f"{encoding}: peak MB (at start, small, large)"] = [round(p / MEGABYTE, 1) for p in (before, *peaks)]
    report.bars.append(Bar(f"{encoding}: peak memory", peaks[1] / MEGABYTE, 150, unit=" MB", least=False))
    report.bars.append(Bar(f"{encoding}: growth", (peaks[1] - peaks[0]) / MEGABYTE, NO_GROWTH_MB, unit=" MB", least=False))


def _send(server: Server, sender: Sender, encoding: str, megabytes: int, base: int, first: int) -> Run:
    block = payloads.ndjson_block()
    count = max(1, megabytes * MEGABYTE // len(block.lines))
    if encoding == "plain":
        length, chunks = count * len(block.lines), _blocks(block, count, base, first)
    else:
        # Compressed before the clock starts: a sender's work, not the server's.
        path = _compressed(server, _blocks(block, count, base, first))
        length, chunks = path.stat().st_size, _pieces(path)
    result: list[tuple[int, bytes, float]] = []

    def work() -> tuple[str, float]:
        own, began = _own_cpu(), time.monotonic()
        status, answer = _post(server, sender, encoding, length, chunks)
        result.append((status, answer, time.monotonic() - began))
        return "", _own_cpu() - own

    _, _, cpu = measured(server, work)
    status, answer, took = result[0]
    records = count * payloads.RECORDS_PER_BLOCK
    _check(status, answer, records)
    rate = round(count * len(block.lines) / MEGABYTE / took, 1)
    return Run(f"{encoding} {megabytes} MB", records, took, cpu, {"bytes": length, "mb_per_second": rate})


def _check(status: int, answer: bytes, records: int) -> None:
    if status != 200:
        raise Broken(f"the body was answered {status}: {answer[:300]!r}")
    if json.loads(answer).get("accepted") != records:
        raise Broken(f"of {records} records the answer says: {answer[:300]!r}")


def _blocks(block: payloads.Block, count: int, base: int, first: int) -> Iterator[bytearray]:
    for number in range(first, first + count):
        yield block.fill(payloads.second_of(base, number % SECONDS_OF_BLOCKS), number)


def _compressed(server: Server, chunks: Iterator[bytearray]) -> pathlib.Path:
    path, gzip = server.private / "body.gz", zlib.compressobj(6, zlib.DEFLATED, 31)
    with open(path, "wb") as file:
        for chunk in chunks:
            file.write(gzip.compress(chunk))
        file.write(gzip.flush())
    return path


def _pieces(path: pathlib.Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(256 * 1024):
            yield piece


def _post(server: Server, sender: Sender, encoding: str, length: int, chunks: Iterator[bytes | bytearray]) -> tuple[int, bytes]:
    """One request by hand: http.client would read no answer that comes before the body's end."""
    head = [
        f"POST {sender.target} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {sender.key}",
        "Content-Type: application/x-ndjson", f"Content-Length: {length}", "Connection: close",
    ]
    if encoding == "gzip":
        head.append("Content-Encoding: gzip")
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
        for chunk in chunks:
            if select.select([connection], [], [], 0)[0]:
                break  # answered already: refused
            try:
                connection.sendall(chunk)
            except (BrokenPipeError, ConnectionResetError):
                break
        return _answer(connection)


def _answer(connection: socket.socket) -> tuple[int, bytes]:
    answer = http.client.HTTPResponse(connection)
    try:
        answer.begin()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Broken(f"no answer to a body: {error!r}") from error
    finally:
        answer.close()


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
