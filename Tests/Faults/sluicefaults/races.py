"""Rows: the same at once, months that are missing, versions side by side."""
from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable

from .api import API, DEADLINE
from .client import Line, Request, attempt
from .cluster import Cluster
from .journal import Event
from .machine import Wrong, until
from .runner import row
from .world import Trial

MONTH = 31 * 86_400


def at_once(count: int, work: Callable[[int], None]) -> None:
    """All begin together."""
    barrier, broken = threading.Barrier(count), []

    def run(number: int) -> None:
        try:
            barrier.wait(20)
            work(number)
        except BaseException as error:  # a thread's end is nobody else's news
            broken.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    if any(thread.is_alive() for thread in threads):
        raise Wrong("requests that were sent together have not ended after 40 s")
    if broken:
        raise broken[0]


def send_all(trial: Trial, apis: list[API], make: Callable[[int], list[Event]], count: int) -> None:
    def work(number: int) -> None:
        line = Line(apis[number % len(apis)].port, DEADLINE + 10)
        request = Request(make(number), trial.tenant.ingest_key)
        end = time.monotonic() + 30
        while not attempt(line, request, trial.journal) and time.monotonic() < end:
            pass
        line.close()

    at_once(count, work)


def check_sum(trial: Trial, events: int) -> None:
    """Each event was accepted once, the other times it was a duplicate. A lost answer would have taken its numbers with it."""
    journal = trial.journal
    if not journal.in_vain:
        trial.check(journal.accepted == events, f"{events} events were accepted {journal.accepted} times")
    trial.figure(f"{journal.accepted} accepted, {journal.duplicates} duplicates")


@row("overlapping batches in reversed order, 8 at once on two servers, 12 times", short=True)
def reversed_batches(trial: Trial) -> None:
    apis = [trial.api(), trial.api()]
    rounds, size = 12, 60
    for turn in range(rounds):
        events = [trial.event(f"r{turn}-{place}") for place in range(size)]

        def batch(number: int, events: list[Event] = events) -> list[Event]:
            # Three quarters of all, another part for each; odd ones from the end.
            part = [event for place, event in enumerate(events) if place % 4 != number // 2]
            return part[::-1] if number % 2 else part

        send_all(trial, apis, batch, 8)
    check_sum(trial, rounds * size)
    deadlocks = trial.cluster.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = 'sluice'")[0][0]
    trial.figure(f"{deadlocks} deadlocks in PostgreSQL")


@row("a real deadlock: another transaction takes the same two keys crosswise, and the API is its victim", short=True)
def deadlock(trial: Trial) -> None:
    api, cluster = trial.api(), trial.cluster
    pair = Request([trial.event("first"), trial.event("second")], trial.tenant.ingest_key)
    # The rows as the API makes them, taken out again: what is inserted beside it must have the very same keys.
    line = Line(api.port, DEADLINE + 5)
    trial.deliver(line, pair)
    mine = f"tenant_id = (SELECT tenant_id FROM sluice.tenants WHERE slug = '{trial.tenant.name}')"
    cluster.sql(
        f"CREATE TABLE public.pair AS SELECT e, row_number() OVER (ORDER BY occurred_at, id) AS place FROM sluice.events e WHERE {mine};"
        f" DELETE FROM sluice.events WHERE {mine}"
    )
    trial.journal.accepted = 0
    with cluster.session() as other:
        # It waits patiently, so that the API's backend is the one that finds the deadlock, and is rolled back.
        other.tell("SET deadlock_timeout = '20s'; BEGIN; INSERT INTO sluice.events SELECT (e).* FROM public.pair WHERE place = 2;")
        until("the other transaction holds the second key", lambda: cluster.states("idle in transaction"), 10)
        sender = threading.Thread(target=trial.deliver, args=(line, pair), daemon=True)
        sender.start()
        until("the API waits for the second key", lambda: cluster.states("active", "Lock"), 10)
        other.tell("INSERT INTO sluice.events SELECT (e).* FROM public.pair WHERE place = 1; ROLLBACK;")
        sender.join(DEADLINE + 10)
    line.close()
    trial.check(api.metric("sluice_lane_retries_total") >= 1, "the API tried nothing again: there was no deadlock")
    check_sum(trial, 2)
    cluster.sql("DROP TABLE public.pair")


@row("a transaction that hangs with events of one tenant, their senders try again and again, others of that tenant and of another send")
def held_rows(trial: Trial) -> None:
    """The trial's tenant is the other one."""
    api, cluster = trial.api(), trial.cluster
    holder = Trial(trial.world, f"{trial.name}-holder")
    line = Line(api.port, DEADLINE + 5)
    held = [Request([holder.event(f"held-{number}")], holder.tenant.ingest_key) for number in range(4)]
    for request in held:
        holder.deliver(line, request)
    line.close()
    mine = f"tenant_id = (SELECT tenant_id FROM sluice.tenants WHERE slug = '{holder.tenant.name}')"
    cluster.sql(f"CREATE TABLE public.held AS SELECT e FROM sluice.events e WHERE {mine}; DELETE FROM sluice.events WHERE {mine}")

    def make(dice: random.Random, name: str) -> Request:
        """Each client of the holder begins with a held event, and stays with it until it is answered; others send new ones."""
        number, turn = (int(part) for part in name[1:].split("-"))
        return held[number] if turn == 0 and number < len(held) else Request([holder.event(name)], holder.tenant.ingest_key)

    with cluster.session() as other:
        other.tell("BEGIN; INSERT INTO sluice.events SELECT (e).* FROM public.held; SELECT pg_sleep(60);")
        until("the transaction hangs", lambda: cluster.states("active", "Timeout"), 10)
        with trial.load(api, clients=4, timeout=DEADLINE + 5), holder.load(api, make=make, clients=2 * len(held), timeout=DEADLINE + 5):
            holder.wait_in_vain(8, 2 * DEADLINE + 5)
            begin, own, others, in_vain = time.monotonic(), holder.journal.acks, trial.journal.acks, sum(holder.journal.in_vain.values())
            holder.flow(300)
            trial.flow(100)
            took, own, others = time.monotonic() - begin, holder.journal.acks - own, trial.journal.acks - others
            again = sum(holder.journal.in_vain.values()) - in_vain
            trial.figure(f"the other tenant: {others / took:.0f} requests/s, its own: {own / took:.0f}/s, in vain meanwhile: {again}")
            cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()")
            trial.figure(f"back {holder.recovered(time.monotonic()):.1f} s after it ended")
    slowest = max(trial.journal.slowest, holder.journal.slowest)
    trial.check(slowest <= DEADLINE + 2, f"a request took {slowest:.1f} s, REQUEST_DEADLINE is {DEADLINE:.0f} s")
    cluster.sql("DROP TABLE public.held")
    holder.apis = []
    holder.journal.accepted = 0
    holder.judge()
    trial.faults += holder.faults


@row("100 equal events in parallel on two servers", short=True)
def equal_events(trial: Trial) -> None:
    event = trial.event("equal")
    send_all(trial, [trial.api(), trial.api()], lambda _: [event], 100)
    check_sum(trial, 1)


@row("a month without partition, and one whose partition goes while the API knows it", short=True)
def missing_month(trial: Trial) -> None:
    api = trial.api()
    line = Line(api.port, DEADLINE + 5)
    old = [trial.event(f"old-{n}", seconds_ago=n * MONTH) for n in range(3, 7)]
    months = {event.occurred_at[:7] for event in old}
    trial.check(not months & set(partitions(trial)), "the old months are there already")
    send_all(trial, [api], lambda number: [old[number % 4]], 8)
    trial.check(months <= set(partitions(trial)), "the old months were not made")
    # The lanes know these months now. They go, rows and all, and the same events are new again.
    for month in sorted(months):
        trial.cluster.sql(f"DROP TABLE sluice.{partitions(trial)[month]}")
    trial.journal.accepted = trial.journal.duplicates = 0
    send_all(trial, [api], lambda number: [old[number % 4]], 8)
    trial.check(months <= set(partitions(trial)), "the dropped months were not made again")
    check_sum(trial, len(old))
    trial.deliver(line, Request([trial.event("now")], trial.tenant.ingest_key))
    line.close()
    trial.figure(f"{len(months)} months made, dropped and made again")


def partitions(trial: Trial) -> dict[str, str]:
    """The partitions of events by month, like 2026-11."""
    rows = trial.cluster.sql(
        "SELECT substring(pg_get_expr(c.relpartbound, c.oid) FROM '\\d{4}-\\d\\d'), c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'sluice.events'::regclass"
    )
    return {row[0]: row[1] for row in rows}


# What a later release would add: additive, as every migration is, and recorded as one that this binary does not know.
NEXT_MIGRATION = """
BEGIN;
SET LOCAL ROLE sluice_owner;
ALTER TABLE sluice.events ADD COLUMN of_a_later_release text;
RESET ROLE;
INSERT INTO sluice.migrations (number, name, checksum) SELECT max(number) + 1, 'of_a_later_release', sha256('later') FROM sluice.migrations;
COMMIT;
"""


OLD_BIN = os.environ.get("SLUICE_OLD_BIN")
SIDE_BY_SIDE = "old and new binary" if OLD_BIN else "the same binary twice with other settings (no SLUICE_OLD_BIN)"


@row(f"{SIDE_BY_SIDE} side by side, a later migration in between, one replaced under load", bound=90)
def old_and_new(trial: Trial) -> None:
    if not OLD_BIN:
        trial.figure("no older binary was tried")
    trial.take(Cluster(trial.world.folder / "po"))
    old = trial.api({"DB_PREPARE": "off", "DB_LANES": "1"}, folder=OLD_BIN)
    new = trial.api()
    with trial.load(old, new):
        trial.flow()
        trial.cluster.sql(NEXT_MIGRATION)
        since = time.monotonic()
        trial.recovered(since)
        trial.flow()
        for api in (old, new):
            api.await_ready(10)
        status, _ = old.terminate()
        trial.check(status == 0, f"the old one ended with {status}")
        old.program, old.environment = new.program, old.environment | {"DB_PREPARE": "on", "DB_LANES": "3"}
        old.start()
        trial.recovered(time.monotonic())
        trial.flow()
    # What one has taken is a duplicate for the other.
    journal = trial.journal
    acked = [event for event in journal.events.values() if event.state == "acked" and "-" in event.name[3:]][:50]
    accepted = journal.accepted
    random.Random(trial.world.seed).shuffle(acked)
    for api in (old, new):
        line = Line(api.port, DEADLINE + 5)
        trial.deliver(line, Request(acked, trial.tenant.ingest_key))
        line.close()
    trial.check(journal.accepted == accepted, f"{journal.accepted - accepted} events were accepted a second time")
