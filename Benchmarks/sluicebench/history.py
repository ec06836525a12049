"""`history`: reading, exporting and dropping what years have left: `--rows` events of 50 tenants in 14 months, without and with 46 months before them.

The last of the 14 months has half of the rows: 5 million of 10.
"""
from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import http.client
import json
import re
import socket
import statistics
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import NamedTuple

from .failure import Broken
from .loads import Run, measured, open_loop, run_program, sap_plan
from .options import Options
from .report import Bar, Report
from .server import Server
from .tenancy import Sender, sap_sender

MONTHS, MORE_MONTHS, TENANTS = 14, 60, 50
FEW, MANY = f"{MONTHS} months", f"{MORE_MONTHS} months"
# Of the rows that one tenant has; the others share the rest.
SHARE = 3
TRIALS = 200
# A machine's speed drifts by more than the bar within seconds: each pair is measured at once, and is one ratio.
PASSES = ((FEW, MANY), (MANY, FEW), (MANY, FEW), (FEW, MANY))
EXPORTS = 3
PAGE_MS, MORE_MONTHS_RATIO, EXPORT_RATIO, GROWTH_MB, DROP_P99_MS, LARGE_DROP_SECONDS = 20, 1.1, 0.5, 20, 1000, 10


def history(options: Options, report: Report) -> Report:
    # A page of a full installation's metrics would tell of tenants that nobody made.
    with Server(options.scratch) as server:
        report.context |= options.describe(server)
        sender = sap_sender(server, "history")
        server.sluice("tenant", "update", "history", "--retention-days", "3650")
        key = str(server.sluice("key", "create", "history", "--kind", "qry", "--name", "bench")["key"])
        began = time.monotonic()
        server.psql(
            f"INSERT INTO sluice.tenants (tenant_id, slug, name, retention_days) OVERRIDING SYSTEM VALUE "
            f"SELECT 100000 + n, 'tenant-' || n, 'Tenant ' || n, 3650 FROM generate_series(0, {TENANTS - 2}) n"
        )
        months, older = _months(MORE_MONTHS)[:MONTHS], _months(MORE_MONTHS)[MONTHS:]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            # The last one, with half of all rows, beside all others.
            rows = {month: options.rows // 2 // (1 if month == months[-1] else MONTHS - 1) for month in reversed(months)}
            for filled in [pool.submit(_fill, server, sender, month, count) for month, count in rows.items()]:
                filled.result()
        # Other people and machines, so that a page is the same with and without them.
        for month in older:
            _fill(server, sender, month, 1_000, era="former ")
        server.psql("VACUUM ANALYZE sluice.events", 1800)
        report.figures["rows"] = _count(server)
        report.figures["filled in seconds"] = round(time.monotonic() - began)
        _pages(server, key, months, older, report)
        _export(server, sender, key, months, report)
        _drop(server, sender, months + older, report)
    return report


def _months(count: int) -> list[datetime.date]:
    """The last so many, this one first."""
    today = datetime.datetime.now(datetime.UTC).date()
    numbers = [today.year * 12 + today.month - 1 - back for back in range(count)]
    return [datetime.date(number // 12, number % 12 + 1, 1) for number in numbers]


def _fill(server: Server, sender: Sender, month: datetime.date, rows: int, era: str = "") -> None:
    """Rows as the API would have written them; every fifth of the tenant's has the common serial, one a month the rare one.

    What a row tells of a person or a machine begins with `era`.
    """
    (slot,) = server.psql(f"SELECT slot FROM sluice.schema_slots WHERE tenant_id = {sender.tenant_id} AND field = 'serial'").splitlines()
    now = datetime.datetime.now(datetime.UTC)
    seconds = 28 * 86_400 - 1 if (month.year, month.month) != (now.year, now.month) else max(60, int((now.day - 1) * 86_400 + now.hour * 3600))
    server.psql(
        f"""
        SET search_path = sluice, pg_catalog;
        SET ROLE sluice_owner;
        SELECT sluice.make_partition('events', '{month}');
        RESET ROLE;
        INSERT INTO sluice.events (tenant_id, occurred_at, id, received_at, source_id, version_no, type, actor, machine, k{slot}, fields, extra)
        SELECT CASE WHEN n % {SHARE} = 0 THEN {sender.tenant_id} ELSE 100000 + n % {TENANTS - 1} END, at, gen_random_uuid(), at,
               {sender.source_id}, {sender.version}, 'corp.sap.privileges.' || CASE WHEN n % 2 = 0 THEN 'granted' ELSE 'revoked' END,
               '{era}user' || n % 5000, '{era}machine' || n % 20000, serial,
               jsonb_build_object('serial', serial, 'admin', n % 2 = 0, 'expires', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                                  'reason', 'Install the compiler, ticket ' || n),
               '{{"delayed": false}}'
        FROM (SELECT n, timestamptz '{month} 00:00:00+00' + interval '1 second' * (n::float8 * {seconds} / {rows}) AS at,
                     '{era}' || CASE WHEN n = {SHARE} THEN 'RARE' WHEN n % {SHARE * 5} = 0 THEN 'COMMON' ELSE 'C02X' || n % 3000 END AS serial
              FROM generate_series(1, {rows}) n) rows
        """,
        1800,
    )


@contextlib.contextmanager
def _without(server: Server, months: list[datetime.date]) -> Iterator[None]:
    """Takes months out and puts them back."""
    ends = {month: (month + datetime.timedelta(days=32)).replace(day=1) for month in months}
    names = {month: f"sluice.events_{month:%Y_%m}" for month in months}
    server.psql("; ".join(f"ALTER TABLE sluice.events DETACH PARTITION {name}" for name in names.values()))
    yield
    server.psql("; ".join(
        f"ALTER TABLE sluice.events ATTACH PARTITION {names[month]} FOR VALUES FROM ('{month} 00:00:00+00') TO ('{ends[month]} 00:00:00+00')" for month in months
    ))


def _count(server: Server) -> int:
    return int(server.psql("SELECT count(*) FROM sluice.events", 600))


# ── Pages ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Pass(NamedTuple):
    """`TRIALS` looks at a kind of query."""

    p50: float
    p99: float
    """Milliseconds."""
    ids: list[str]
    """Of the events of the page."""


def _pages(server: Server, key: str, months: list[datetime.date], older: list[datetime.date], report: Report) -> None:
    """The first page of 100 of each kind of query, in turns without the older months and with them."""
    window = {"from": f"{months[3]}T00:00:00Z", "to": f"{months[1]}T00:00:00Z"}
    queries = {"all": {}, "type": {"type": "corp.sap.privileges.granted"}, "actor": {"actor": "user30"}, "machine": {"machine": "machine30"}}
    queries |= {f"serial, {kind}": {"serial": value} for kind, value in (("rare", "RARE"), ("common", "COMMON"), ("absent", "NONE"))}
    queries |= {f"{kind}, two months": filters | window for kind, filters in list(queries.items())}
    passes: dict[str, list[dict[str, Pass]]] = {FEW: [], MANY: []}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(connection):
        for pair in PASSES:
            found: dict[str, dict[str, Pass]] = {FEW: {}, MANY: {}}
            for kind, filters in queries.items():
                for name in pair:
                    with _without(server, older) if name == FEW else contextlib.nullcontext():
                        found[name][kind] = _pass(connection, key, filters)
            for name, each in found.items():
                passes[name].append(each)
    for kind in queries:
        if len({tuple(one[kind].ids) for each in passes.values() for one in each}) > 1:
            raise Broken(f"{kind}: the older months have changed the page")
    for name, each in passes.items():
        p99s = {kind: statistics.median(one[kind].p99 for one in each) for kind in queries}
        report.figures[f"first page of 100, {name}: ms, medians of the passes' p50 and p99, and each pass's p99"] = {
            kind: [round(statistics.median(one[kind].p50 for one in each), 2), round(p99s[kind], 2), [round(one[kind].p99, 2) for one in each]]
            for kind in queries
        }
        report.bars.append(Bar(f"slowest page's p99 in {name}", max(p99s.values()), PAGE_MS, unit=" ms", least=False))
    ratios = {kind: [many[kind].p50 / few[kind].p50 for few, many in zip(passes[FEW], passes[MANY], strict=True)] for kind in queries}
    medians = {kind: statistics.median(each) for kind, each in ratios.items()}
    report.figures[f"medians in {MANY} ÷ in {FEW}, and each pair's"] = {
        kind: [round(medians[kind], 2), [round(one, 2) for one in each]] for kind, each in ratios.items()
    }
    report.figures["slowest kind"] = max(medians, key=medians.__getitem__)
    slower = statistics.median(medians.values())
    report.bars.append(Bar(f"a page in {MANY} ÷ in {FEW}, median of all kinds", slower, MORE_MONTHS_RATIO, least=False))


def _pass(connection: http.client.HTTPConnection, key: str, filters: dict[str, str]) -> Pass:
    path = "/v1/events?" + urllib.parse.urlencode({"limit": 100, **filters})
    times = []
    body = b""
    for _ in range(TRIALS + 20):
        began = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        body = answer.read()
        times.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise Broken(f"{path}: {answer.status} {body[:200]!r}")
    times = sorted(times[20:])
    return Pass(statistics.median(times), times[int(TRIALS * 0.99) - 1], [event["id"] for event in json.loads(body)["data"]])


# ── Export ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _export(server: Server, sender: Sender, key: str, months: list[datetime.date], report: Report) -> None:
    # Some 100,000 rows of 10 million.
    part = f"from={months[1]}T00:00:00Z&to={months[1].replace(day=23)}T00:00:00Z"
    report.runs.append(_exported(server, key, part, "export, three weeks"))
    after_small = server.api_peak_memory()
    # Whoever comes first reads from the disk.
    report.runs.append(_exported(server, key, "", "export, all, cold"))
    ratios: list[float] = []
    for _ in range(EXPORTS):
        copied, whole = _copied(server, sender), _exported(server, key, "", "export, all")
        report.runs += [copied, whole]
        if whole.events != copied.events:
            raise Broken(f"exported {whole.events} rows, copied {copied.events}")
        ratios.append(whole.rate / copied.rate)
    after_whole = server.api_peak_memory()
    report.figures["export: peak MB after the small one, after the whole"] = [round(p / 1e6, 1) for p in (after_small, after_whole)]
    report.bars.append(Bar("export ÷ COPY of the same rows", statistics.median(ratios), EXPORT_RATIO))
    report.bars.append(Bar("export's growth of memory", (after_whole - after_small) / 1e6, GROWTH_MB, unit=" MB", least=False))


def _exported(server: Server, key: str, query: str, name: str) -> Run:
    """One export as NDJSON, read and forgotten; it counts only when it is whole."""
    rows: list[int] = []

    def work() -> tuple[str, float]:
        own = time.process_time()
        request = (
            f"GET /v1/export?format=ndjson&{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nTE: trailers\r\n"
            "Connection: close\r\n\r\n"
        )
        received, tail = 0, b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=120) as connection:
            connection.sendall(request.encode())
            while piece := connection.recv(1 << 20):
                received += len(piece)
                tail = (tail + piece)[-400:]
        counted = re.search(rb"\r\n0\r\nsluice-rows: ?(\d+)", tail, re.IGNORECASE)
        if counted is None:
            raise Broken(f"{name}: {received} bytes, and no count at their end: {tail[-200:]!r}")
        rows.append(int(counted[1]))
        return "", time.process_time() - own

    _, took, cpu = measured(server, work)
    return Run(name, rows[0], took, cpu)


def _copied(server: Server, sender: Sender) -> Run:
    """psql's \\copy of what an export of that tenant holds, as JSON lines, into nothing."""
    script = (
        "\\timing on\n\\copy (SELECT jsonb_build_object('id', id, 'occurred_at', occurred_at, 'received_at', received_at, 'type', type, "
        "'actor', actor, 'machine', machine, 'source_id', source_id, 'fields', fields, 'extra', extra) FROM sluice.events "
        f"WHERE tenant_id = {sender.tenant_id} ORDER BY occurred_at DESC, id DESC) TO '/dev/null'\n"
    )
    output, _, cpu = measured(
        server, lambda: run_program(["psql", "-X", "-v", "ON_ERROR_STOP=1"], server.database_environment(), 1800, script)
    )
    done, took = re.search(r"^COPY (\d+)$", output, re.MULTILINE), re.search(r"^Time: ([0-9.]+) ms", output, re.MULTILINE)
    if done is None or took is None:
        raise Broken(f"psql: {output[-800:]}")
    return Run("copy", int(done[1]), float(took[1]) / 1000, cpu)


# ── Dropping a month ────────────────────────────────────────────────────────────────────────────────────────────


def _drop(server: Server, sender: Sender, months: list[datetime.date], report: Report) -> None:
    """Months expire, small ones first, then the one with half of all rows, then all but five, while singles are posted at 200 a second."""
    today = datetime.datetime.now(datetime.UTC).date()
    # In the second and the third step a day's rows of the next month are deleted one by one: few beside those that go with their months.
    steps = {
        "small months": (today - months[MONTHS - 1]).days + 1,
        "the month with half of all rows": (today - months[MONTHS - 2]).days,
        "months of a middle size": (today - months[4]).days,
    }
    rows = {name: int(server.psql(f"SELECT reltuples::bigint FROM pg_class WHERE relname = 'events_{month:%Y_%m}'")) for name, month in
            zip(steps, (months[20], months[MONTHS - 1], months[6]), strict=True)}
    took: dict[str, dict[str, float]] = {}
    failure: list[Exception] = []

    def run() -> None:
        time.sleep(4)
        try:
            for name, days in steps.items():
                server.psql(f"UPDATE sluice.tenants SET retention_days = {days}")
                before, began = _partitions(server), time.monotonic()
                server.sluice("retention", "run", "--yes", patience=900)
                took[name] = {
                    "rows of a month": rows[name], "months dropped": before - _partitions(server), "seconds": round(time.monotonic() - began, 2)
                }
        except Exception as error:  # handed to the main thread
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        load = open_loop(server, sap_plan(server, sender), 10_000_000_000, 200, 40, 16)
    finally:
        thread.join()
    if failure:
        raise failure[0]
    load.name = "singles beside it"
    report.runs.append(load)
    latencies = load.detail["latency_us"]
    assert isinstance(latencies, dict)
    report.figures["retention runs"] = took
    report.figures["ingest while months are dropped: µs"] = latencies
    large = took["the month with half of all rows"]
    report.bars.append(Bar("months dropped", sum(step["months dropped"] for step in took.values()), 1))
    report.bars.append(Bar(f"dropping {large['rows of a month']:,.0f} rows", large["seconds"], LARGE_DROP_SECONDS, unit=" s", least=False))
    report.bars.append(Bar("ingest's p99 beside it", float(latencies["p99"]) / 1000, DROP_P99_MS, unit=" ms", least=False))


def _partitions(server: Server) -> int:
    return int(server.psql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'sluice.events'::regclass"))
