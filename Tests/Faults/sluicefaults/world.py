"""What a row has at hand: PostgreSQL, a tenant of its own, servers, clients, and the verdict at its end."""
from __future__ import annotations

import contextlib
import json
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .api import API
from .client import Line, Load, Request, attempt
from .cluster import Cluster
from .journal import Event, Journal
from .machine import Wrong, binary, environment, until
from .oracle import compare

RECOVERY = 10.0
"""Seconds: when PostgreSQL comes back, so do we (design, promise 6)."""


@dataclass(frozen=True)
class Tenant:
    name: str
    ingest_key: str
    hook_key: str


def sluice(cluster: Cluster, *arguments: str) -> Any:
    """What the command prints."""
    settings = environment(DATABASE_URL=cluster.admin_url)
    command = [binary("sluice"), *arguments, "--output", "json"]
    done = subprocess.run(command, cwd="/", env=settings, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise SystemExit(f"sluice {' '.join(arguments)} exited {done.returncode}: {done.stderr[-800:]}")
    return json.loads(done.stdout)


def make_tenant(cluster: Cluster, name: str) -> Tenant:
    sluice(cluster, "tenant", "create", name, "--retention-days", "3650")
    sluice(cluster, "schema", "apply", name, "privileges-webhook")
    keys = [str(sluice(cluster, "key", "create", name, "--kind", kind)["key"]) for kind in ("ing", "hook")]
    return Tenant(name, keys[0], keys[1])


class World:
    """One PostgreSQL for all rows that do not break it for good."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        # Open to all: PostgreSQL may run as another user.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sf-", dir="/tmp"))
        self.folder.chmod(0o755)
        self._cluster: Cluster | None = None

    @property
    def cluster(self) -> Cluster:
        if self._cluster is None:
            self._cluster = Cluster(self.folder / "pg")
        return self._cluster

    def heal(self) -> None:
        if self._cluster is not None:
            self._cluster.heal()

    def remove(self) -> None:
        if self._cluster is not None:
            self._cluster.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


class Trial:
    """One row while it runs. What it starts ends with it."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.dice = random.Random(f"{world.seed}/{name}")
        self.journal = Journal()
        self.figures: list[str] = []
        self.faults: list[str] = []
        self.ends = contextlib.ExitStack()
        self.apis: list[API] = []
        self._cluster: Cluster | None = None
        self._tenant: Tenant | None = None
        self.timestamp, self.spread = int(time.time()) - 3600, 600
        """Events are of these last seconds before it."""

    # ── What there is ───────────────────────────────────────────────────────────────────────────────────────────

    @property
    def cluster(self) -> Cluster:
        return self._cluster or self.world.cluster

    def take(self, cluster: Cluster) -> Cluster:
        """A cluster for this row alone."""
        self._cluster = cluster
        self.ends.callback(cluster.remove)
        return cluster

    @property
    def tenant(self) -> Tenant:
        if self._tenant is None:
            self._tenant = make_tenant(self.cluster, self.name)
        return self._tenant

    def api(
        self, settings: dict[str, str] | None = None, *, port: int | None = None, files: int | None = None, folder: str | None = None, start: bool = True,
    ) -> API:
        """`port`: of what stands before PostgreSQL; `files`: the most descriptors."""
        # Made before anything goes wrong, and by one thread.
        _ = self.tenant
        log = self.world.folder / f"{self.name}-{len(self.apis)}.log"
        server = API(self.cluster.api_url(port), log, settings or {}, files, folder)
        self.apis.append(server)
        self.ends.callback(server.kill)
        if start:
            server.start()
        return server

    # ── Events ──────────────────────────────────────────────────────────────────────────────────────────────────

    def event(self, name: str, *, good: bool = True, size: int = 0, seconds_ago: int = 0) -> Event:
        number = len(name) * 7 + sum(name.encode())
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.timestamp - number % self.spread - seconds_ago))
        reason = f"because of {name}" + " x" * (size // 2)
        return Event(name, stamp, f"machine-{number % 97}", f"S{number % 1000:04d}" if good else None, number % 2 == 0, reason[:1024])

    def request(self, dice: random.Random, name: str) -> Request:
        """What clients send: mostly one event, by either way in, some batches, some that must be refused."""
        kind = dice.random()
        if kind < 0.5:
            return Request([self.event(name)], self.tenant.ingest_key)
        if kind < 0.75:
            return Request([self.event(name)], self.tenant.hook_key, hook=dice.choice(["/hooks", "/privileges"]))
        if kind < 0.9:
            return Request([self.event(f"{name}-{place}") for place in range(dice.randint(2, 20))], self.tenant.ingest_key)
        if kind < 0.95:
            return Request([self.event(name, good=False)], self.tenant.ingest_key)
        events = [self.event(f"{name}-{place}", good=place != 1) for place in range(3)]
        return Request(events, self.tenant.ingest_key, reject=True)

    def load(self, *apis: API, make: Callable[[random.Random, str], Request] | None = None, **more: Any) -> Load:
        return Load(self.journal, [api.port for api in apis], make or self.request, seed=f"{self.world.seed}/{self.name}", **more)

    def deliver(self, line: Line, request: Request, within: float = 30) -> None:
        """One request, until it is answered."""
        end = time.monotonic() + within
        while not attempt(line, request, self.journal):
            if time.monotonic() > end:
                raise Wrong(f"{request.events[0].name} got no answer within {within:.0f} s: {dict(self.journal.in_vain)}")

    # ── What became of it ───────────────────────────────────────────────────────────────────────────────────────

    def check(self, condition: object, what: str) -> bool:
        if not condition:
            self.faults.append(what)
        return bool(condition)

    def figure(self, text: str) -> None:
        self.figures.append(text)

    def flow(self, requests: int = 40, within: float = 30) -> None:
        """Waits until so many more are acknowledged."""
        if not self.journal.wait_for_acks(requests, within):
            raise Wrong(f"no {requests} more requests were acknowledged within {within:.0f} s: {dict(self.journal.in_vain)}")

    def wait_in_vain(self, more: int, within: float) -> None:
        """Until so many more requests were not answered, or told to come again."""
        journal = self.journal
        with journal.changed:
            goal = sum(journal.in_vain.values()) + more
            if not journal.changed.wait_for(lambda: sum(journal.in_vain.values()) >= goal, within):
                raise Wrong(f"no {more} more requests were sent in vain within {within:.0f} s")

    def recovered(self, since: float, within: float = RECOVERY) -> float:
        """Seconds until an event is acknowledged that was sent after that time (monotonic)."""
        if not self.journal.wait_for_fresh_ack(since, within + 30):
            raise Wrong(f"nothing was acknowledged {within + 30:.0f} s after the fault was over: {dict(self.journal.in_vain)}")
        took = time.monotonic() - since
        self.check(took <= within, f"the first event was acknowledged {took:.1f} s after the fault was over, should be {within:.0f} s at most")
        return took

    def judge(self) -> None:
        """At the end, with everything healed: the journal against the database."""
        rows, differences = compare(self.cluster, self.tenant.name, self.journal)
        states = self.journal.states()
        self.faults += differences
        for complaint in self.journal.strange[:3]:
            self.faults.append(f"answered wrongly: {complaint}")
        if open_ := states["sent"] + states["unknown"]:
            self.faults.append(f"{open_} events were never answered, in spite of retries")
        self.check(states["acked"], "no event was acknowledged")
        self.check(self.journal.accepted <= rows, f"{rows} rows were answered as accepted {self.journal.accepted} times")
        refused = states["quarantined"] + states["rejected"]
        again = ", ".join(f"{count} x {why}" for why, count in sorted(self.journal.in_vain.items()))
        self.figures.insert(0, f"{states['acked']} acked, {rows} rows, {refused} refused" + (f", in vain {again}" if again else ""))
        for api in self.apis:
            self.check("Fatal error" not in api.said(), f"the API crashed: {api.said()[-200:]}")
            if api.is_running():
                self.judge_metrics(api)

    def judge_metrics(self, api: API) -> None:
        """Received = accepted + duplicates + quarantined + rejected (design, promise 4), as soon as every request has ended."""

        def counts() -> list[float]:
            return [api.metric(f"sluice_events_{what}_total") for what in ("received", "accepted", "duplicates", "quarantined", "rejected")]

        try:
            until("what was received is accounted for", lambda: (c := counts())[0] == sum(c[1:]), 10)
        except Wrong as wrong:
            self.faults.append(f"{wrong}: {counts()}")
        retries, lost = (api.metric(f"sluice_lane_{what}_total") for what in ("retries", "lost_replies"))
        if retries:
            self.figure(f"{retries:.0f} transactions tried again" + (f", {lost:.0f} COMMITs without reply" if lost else ""))
