"""Rows: clocks."""
from __future__ import annotations

import datetime
import json
import os
import pathlib
import random
import time
import urllib.request

from .api import API, DEADLINE
from .client import Line, Request, attempt
from .cluster import Cluster
from .machine import LeftOut, Wrong, until
from .runner import row
from .world import Trial, sluice

LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib*/faketime/libfaketime.so.1", "/opt/homebrew/lib/faketime/libfaketime.1.dylib")
MONTHS_MADE_AHEAD = 2


def shift(trial: Trial, seconds: float) -> None:
    """What starts from now on in this row lives so many seconds ahead of this machine; time passes for it as for everybody."""
    found = [path for pattern in LIBRARIES for path in pathlib.Path("/").glob(pattern[1:])]
    if not found:
        raise LeftOut("no libfaketime: install the package faketime")
    more = {"LD_PRELOAD": str(found[0]), "FAKETIME": f"{seconds:+f}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    os.environ |= more
    for name in more:
        trial.ends.callback(os.environ.pop, name, None)


def end_of_month(ahead: int) -> datetime.datetime:
    """When the month ends that is so many after this one."""
    today = datetime.datetime.now(datetime.UTC)
    number = today.year * 12 + today.month + ahead
    return datetime.datetime(number // 12, number % 12 + 1, 1, tzinfo=datetime.UTC)


def deliver_without_time(api: API, key: str) -> int:
    """A record that says not when it happened, under its request's id; how many new ones the server saw."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Idempotency-Key": "without-a-time"}
    request = urllib.request.Request(f"http://127.0.0.1:{api.port}/v1/events", b'{"what":"no time"}', headers)
    with urllib.request.urlopen(request, timeout=DEADLINE + 2) as answer:
        return int(json.load(answer)["accepted"])


@row("the clock crosses the end of the last month that was made with the installation, under load", bound=180)
def month_end(trial: Trial) -> None:
    cluster = trial.take(Cluster(trial.world.folder / "pm"))
    tenant = trial.tenant
    sluice(cluster, "source", "create", tenant.name, "plain")
    plain_key = str(sluice(cluster, "key", "create", tenant.name, "--kind", "ing", "--source", "plain")["key"])
    # That month's end up to which the installation made its months.
    end = end_of_month(MONTHS_MADE_AHEAD)
    for margin in (8.0, 30.0, 90.0):
        offset = end.timestamp() - time.time() - margin
        cluster.stop()
        shift(trial, offset)
        cluster.start()
        api = trial.api()
        if time.time() + offset < end.timestamp() - 3:
            break
        api.kill()
    else:
        raise Wrong("starting took longer than a minute and a half")
    exists = f"SELECT 1 FROM pg_class WHERE relname = 'events_{end:%Y_%m}'"

    def now() -> float:
        return time.time() + offset

    def make(dice: random.Random, name: str) -> Request:
        trial.timestamp, trial.spread = int(now()), 2
        return trial.request(dice, name)

    with trial.load(api, make=make):
        until("two seconds are left of the month", lambda: now() >= end.timestamp() - 2, 120)
        line = Line(api.port, DEADLINE + 2)
        last = [make(trial.dice, f"last-{number}") for number in range(5)]
        for request in last:
            trial.check(attempt(line, request, trial.journal), "an event of the month's last seconds was not answered")
        trial.check(deliver_without_time(api, plain_key) == 1, "a record without a time was not stored")
        until("the month is over", lambda: now() >= end.timestamp() + 0.1, 10)
        for request in last:
            trial.check(attempt(line, request, trial.journal), "an event that came again after the month's end was not answered")
        trial.check(deliver_without_time(api, plain_key) == 0, "a record with an id was stored again after the month's end")
        line.close()
        trial.flow(200)
    edge = f"timestamptz '{end:%Y-%m-%d} 00:00+00'"
    (before, after), = cluster.sql(f"SELECT count(*) FILTER (WHERE occurred_at < {edge}), count(*) FILTER (WHERE occurred_at >= {edge}) FROM sluice.events")
    trial.figure(f"{before} rows before the month's end, {after} after it")
    trial.check(int(before) and int(after), "the load was on one side of the month's end only")
    trial.check(not trial.journal.in_vain, f"requests were not acknowledged at once: {dict(trial.journal.in_vain)}")
    trial.check(cluster.sql(exists), "the month after was not made")
    # The oracle knows what the journal knows.
    cluster.sql("DELETE FROM sluice.events WHERE extra ->> 'what' = 'no time'")
