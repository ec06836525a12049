"""`single` and `bulk`: Sluice beside plain SQL, turn about, into the same table of the same PostgreSQL."""
from __future__ import annotations

import pathlib
import time

from . import payloads
from .failure import Broken
from .loads import SECONDS_OF_BLOCKS, Run, block_plan, copy, pgbench, post_blocks, post_singles, sap_plan
from .options import Options
from .report import Bar, Report, summary
from .server import Server
from .tenancy import Sender, check_stored, fluent_bit_sender, four_slot_fluent_bit_sender, four_slot_sap_sender, sap_sender, token_sender

# The one-row INSERT with the same columns. pgbench has no strings to send, so the server puts them together from
# numbers; "pgbench expressions alone" in the result says what that costs. Rows look like those that Sluice makes of the SAP
# bodies. pgbench takes any colon before a letter or digit for a variable, in a string too: hence the spaces in the JSON.
_INSERT = """\\set n random(100000000000, 999999999999)
\\set a random(100, 999)
\\set b random(100, 999)
\\set m random(100000000000, 100000001023)
{verb} {tenant}, date_trunc('second', now()), ('01a1f83c-da20-8' || :a || '-8' || :b || '-' || :n)::uuid, now(), {source}, {version},
 'corp.sap.privileges.granted', 'user' || :m || '.example', '16DF8241-7E86-5A4F-8C0F-' || :m,
 ('{{"admin": true,"reason":"Install Xcode / CLT, ticket ' || :n || '","serial":"C02X' || :m || '","expires":"' || :expires || '"}}')::jsonb,
 '{{"delayed": false}}'::jsonb{slots}{end}
"""
# What may be indexed.
_INDEXED = {"serial": "'C02X' || :m", "admin": "'true'", "reason": "'Install Xcode / CLT, ticket ' || :n", "expires": ":expires"}


def insert_script(server: Server, sender: Sender, select_only: bool = False) -> pathlib.Path:
    """pgbench's script; with `select_only` the same expressions, but no row."""
    verb = f"INSERT INTO sluice.events ({payloads.columns(sender.slots)}) VALUES ("
    text = _INSERT.format(
        verb="SELECT" if select_only else verb, end=";" if select_only else ") ON CONFLICT DO NOTHING;",
        tenant=sender.tenant_id, source=sender.source_id, version=sender.version, slots="".join(f",\n {_INDEXED[name]}" for name in sender.slots),
    )
    # One statement, one line: pgbench ends a statement at its semicolon.
    path = server.private / ("select.pgbench" if select_only else "insert.pgbench")
    path.write_text(text)
    return path


def single(options: Options, report: Report) -> Report:
    """SAP bodies, one a request, 64 connections; beside it pgbench's one-row INSERT, 16 clients."""
    return _singles(options, report)


def slots(options: Options, report: Report) -> Report:
    """As `single`, with four indexed fields on either side."""
    return _singles(options, report, is_four=True)


def _singles(options: Options, report: Report, is_four: bool = False) -> Report:
    with Server(options.scratch) as server:
        report.context |= options.describe(server)
        make = four_slot_sap_sender if is_four else sap_sender
        sender, other = make(server), make(server, "plain-sql")
        plan, script = sap_plan(server, sender), insert_script(server, other)
        warm = [post_singles(server, plan, 1, options.warm_up), pgbench(server, script, options.warm_up)]
        for number in range(2, options.rounds + 2):
            server.psql("CHECKPOINT")
            posted = post_singles(server, plan, number, options.seconds)
            server.psql("CHECKPOINT")
            report.runs += [posted, pgbench(server, script, options.seconds)]
        _check_both(server, report, sender, other, warm, 64 * (options.rounds + 1))
        report.figures["pgbench expressions alone"] = _expressions(server, other)
    _ratio(report, "pgbench", bar=1.0, goal=1.5)
    return report


def tokens(options: Options, report: Report) -> Report:
    """`single`'s load with an API key, then with an EdDSA token, turn about."""
    with Server(options.scratch) as server:
        report.context |= options.describe(server)
        senders = {"sluice": sap_sender(server), "sluice, token": token_sender(server)}
        plans = {name: sap_plan(server, sender) for name, sender in senders.items()}
        total = dict.fromkeys(senders, 0)
        for number in range(1, options.rounds + 2):
            for name, plan in plans.items():
                server.psql("CHECKPOINT")
                run = post_singles(server, plan, number, options.seconds if number > 1 else options.warm_up)
                run.name = name
                total[name] += run.events
                if number > 1:
                    report.runs.append(run)
        for name, sender in senders.items():
            report.figures[f"rows: {name}"] = check_stored(server, sender, total[name], 64 * (options.rounds + 1))
    ratios = summary([b / a for a, b in zip(report.rates("sluice"), report.rates("sluice, token"))])
    report.figures["ratio of each round"] = ratios
    report.bars.append(Bar("token ÷ key", ratios["median"], 0.85))
    return report


def _expressions(server: Server, other: Sender) -> dict[str, object]:
    """What putting pgbench's values together costs PostgreSQL, a round trip included."""
    run = pgbench(server, insert_script(server, other, select_only=True), 2)
    return {"per second": round(run.rate), "postgres µs": run.cpu.per_event(run.events).get("postgres", 0)}


def bulk(options: Options, report: Report) -> Report:
    """1,000-record NDJSON bodies, 8 connections; beside it psql's \\copy of the same rows."""
    return _bulks(options, report)


def bulk_slots(options: Options, report: Report) -> Report:
    """As `bulk`, with four indexed fields on either side."""
    return _bulks(options, report, is_four=True)


def _bulks(options: Options, report: Report, is_four: bool = False) -> Report:
    with Server(options.scratch) as server:
        report.context |= options.describe(server)
        make = four_slot_fluent_bit_sender if is_four else fluent_bit_sender
        sender, other = make(server), make(server, "plain-sql")
        base = int(time.time()) - 70_000
        check_same_row(server, sender, other)
        plan = block_plan(server, sender, base)
        warm = _bulk_round(server, plan, other, base, 1, options.warm_up)
        for number in range(2, options.rounds + 2):
            report.runs += _bulk_round(server, plan, other, base, number, options.seconds)
        # One record of each tenant was stored to compare them.
        warm[0].events += 1
        warm[1].events += 1
        _check_both(server, report, sender, other, warm, 8 * payloads.RECORDS_PER_BLOCK * (options.rounds + 1))
    _ratio(report, "copy", bar=0.8, goal=1.2)
    return report


def _bulk_round(
    server: Server, plan: tuple[pathlib.Path, pathlib.Path], other: Sender, base: int, number: int, seconds: float
) -> list[Run]:
    """Sluice for so many seconds, then COPY of as many rows with the same values."""
    server.psql("CHECKPOINT")
    first = number * 1_000_000
    posted = post_blocks(server, plan, first, seconds)
    blocks = posted.events // payloads.RECORDS_PER_BLOCK
    if blocks == 0:
        raise Broken("not one body was answered")
    file = write_copy_file(server, other, base, first, blocks)
    server.psql("CHECKPOINT")
    copied = copy(server, file, posted.events, other.slots)
    file.unlink()
    return [posted, copied]


def write_copy_file(server: Server, other: Sender, base: int, first: int, blocks: int) -> pathlib.Path:
    """Readable by psql alone, which runs as we do. Two threads of wrk share the blocks half and half."""
    block = payloads.copy_block(other.tenant_id, other.source_id, other.version, other.slots)
    path = server.private / "rows.copy"
    with open(path, "wb") as file:
        for index in range(blocks):
            number = first + (index % 2) * 100_000 + index // 2
            file.write(block.fill(payloads.second_of(base, number % SECONDS_OF_BLOCKS), number))
    return path


def check_same_row(server: Server, sender: Sender, other: Sender) -> None:
    """COPY's row must be what Sluice makes of the same record, but for id, tenant, source and time received."""
    second, number = payloads.second_of(int(time.time()) - 80_000, 0), 1
    record = bytes(payloads.ndjson_block().fill(second, number)).split(b"\n", 1)[0]
    headers = {"Authorization": f"Bearer {sender.key}", "Content-Type": "application/json"}
    status, answer = server.request("POST", sender.target, record, headers)
    if status != 200:
        raise Broken(f"a single record was answered {status}: {answer[:300]!r}")
    line = bytes(payloads.copy_block(other.tenant_id, other.source_id, other.version, other.slots).fill(second, number)).split(b"\n", 1)[0]
    file = server.private / "row.copy"
    file.write_bytes(line + b"\n")
    copy(server, file, 1, other.slots)
    columns = "occurred_at, version_no, type, actor, machine, k1, k2, k3, k4, k5, k6, k7, k8, fields, extra"
    rows = [
        server.psql(f"SELECT {columns} FROM sluice.events WHERE tenant_id = {tenant.tenant_id}") for tenant in (sender, other)
    ]
    if rows[0] != rows[1]:
        raise Broken(f"Sluice and COPY store different rows:\n  {rows[0]}\n  {rows[1]}")


def _check_both(server: Server, report: Report, sender: Sender, other: Sender, warm: list[Run], cut_off: int) -> None:
    """Acknowledged events are rows, and committed ones too."""
    runs = warm + report.runs
    ours = sum(run.events for run in runs if run.name == "sluice")
    theirs = sum(run.events for run in runs if run.name != "sluice")
    report.figures["rows"] = check_stored(server, sender, ours, cut_off)
    report.figures["rows of plain SQL"] = check_stored(server, other, theirs, 0)


def _ratio(report: Report, other: str, bar: float, goal: float) -> None:
    ours, theirs = report.rates("sluice"), report.rates(other)
    report.figures["sluice events/s"] = summary(ours)
    report.figures[f"{other} rows/s"] = summary(theirs)
    ratios = summary([a / b for a, b in zip(ours, theirs)])
    report.figures["ratio of each round"] = ratios
    report.bars.append(Bar(f"sluice ÷ {other}", ratios["median"], bar, goal))
