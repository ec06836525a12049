"""What clients know of their events: sent, then acked, rejected or unknown."""
from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from enum import Enum


class State(str, Enum):
    SENT = "sent"
    ACKED = "acked"
    """Answered 200: it is stored."""
    QUARANTINED = "quarantined"
    """Answered 422: it is no event, and kept with the reason."""
    REJECTED = "rejected"
    """Answered 422 with `on_invalid=reject`: nothing of it is kept."""
    UNKNOWN = "unknown"
    """Not answered, or told to come again: it may be stored or not until a retry is answered."""


@dataclass
class Event:
    """One event, and what its row must hold when it is stored."""

    name: str
    occurred_at: str
    machine: str
    serial: str | None
    """None: the schema refuses it."""
    admin: bool
    reason: str
    state: State = State.SENT
    tries: int = 0

    @property
    def record(self) -> str:
        """As SAP Privileges posts it."""
        custom = {} if self.serial is None else {"serial": self.serial}
        return json.dumps(
            {"admin": self.admin, "custom_data": custom, "delayed": False, "event": "corp.sap.privileges.granted", "expires": "",
             "machine": self.machine, "reason": self.reason, "timestamp": self.occurred_at, "user": self.name}
        )


class Journal:
    """Shared by all clients of a row; tells who waits when something is acknowledged."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.events: dict[str, Event] = {}
        self.acks = 0
        """Requests that were answered 200."""
        self.newest_start = 0.0
        """When the latest of them was sent."""
        self.accepted = self.duplicates = 0
        self.in_vain: Counter[str] = Counter()
        """Why a request was sent again."""
        self.strange: list[str] = []
        """Answers that nobody should get."""
        self.slowest = 0.0

    def send(self, events: list[Event]) -> None:
        """Before the first byte leaves."""
        with self.changed:
            for event in events:
                event.tries += 1
                self.events[event.name] = event

    def settle(self, events: list[Event], state: State, started: float) -> None:
        with self.changed:
            for event in events:
                # Of two copies that are sent at once, the one that knows counts.
                if event.state in (State.SENT, State.UNKNOWN):
                    event.state = state
            if state is State.ACKED:
                self.acks += 1
                self.newest_start = max(self.newest_start, started)
            self.slowest = max(self.slowest, time.monotonic() - started)
            self.changed.notify_all()

    def fail(self, events: list[Event], why: str, started: float) -> None:
        self.settle(events, State.UNKNOWN, started)
        with self.changed:
            self.in_vain[why] += 1
            self.changed.notify_all()

    def complain(self, what: str) -> None:
        with self.changed:
            self.strange.append(what)

    def count(self, accepted: int, duplicates: int) -> None:
        with self.changed:
            self.accepted += accepted
            self.duplicates += duplicates

    def wait_for_acks(self, more: int, within: float) -> bool:
        """For so many further requests."""
        with self.changed:
            goal = self.acks + more
            return self.changed.wait_for(lambda: self.acks >= goal, within)

    def wait_for_fresh_ack(self, since: float, within: float) -> bool:
        """For one that was sent after that time."""
        with self.changed:
            return self.changed.wait_for(lambda: self.newest_start >= since, within)

    def states(self) -> Counter[str]:
        with self.changed:
            return Counter(event.state.value for event in self.events.values())
