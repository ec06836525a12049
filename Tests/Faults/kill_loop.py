#!/usr/bin/env python3
"""Kills the API and PostgreSQL's backends with -9 in a loop while 32 clients send; then every acknowledged event must be in the
table exactly once, as it was sent, and so must every one that was sent again until it was acknowledged.

    python3 Tests/Faults/kill_loop.py [seconds [seed]]      # 60; a release build, loopback only

A backend that is killed makes PostgreSQL restart with crash recovery. The API is one of the script's own, started again each time.
"""
from __future__ import annotations

import random
import signal
import sys
import time

sys.dont_write_bytecode = True

from sluicefaults.crashes import kill_one_backend  # noqa: E402
from sluicefaults.machine import Wrong  # noqa: E402
from sluicefaults.world import Trial, World  # noqa: E402

CLIENTS = 32
PATIENCE = 120.0  # seconds that one request is sent again for


def ended(*_: object) -> None:
    raise SystemExit("kill loop: ended by SIGTERM")


def kill_until(end: float, trial: Trial) -> dict[str, int]:
    kills = {"sluice-api": 0, "PostgreSQL backend": 0}
    api = trial.apis[0]
    while time.monotonic() < end:
        # Some work in between, and at times hardly any.
        trial.journal.wait_for_acks(trial.dice.randint(1, 200), 5)
        if trial.dice.random() < 0.5:
            api.kill()
            # Not until it is ready: it is killed at any time of its life.
            api.start(ready=trial.dice.random() < 0.8)
            kills["sluice-api"] += 1
            continue
        try:
            kill_one_backend(trial)
            kills["PostgreSQL backend"] += 1
        except (Wrong, SystemExit):
            pass  # PostgreSQL is just recovering
    return kills


def main(arguments: list[str]) -> int:
    seconds = float(arguments[0]) if arguments else 60.0
    seed = int(arguments[1]) if len(arguments) > 1 else random.SystemRandom().randrange(1_000_000)
    signal.signal(signal.SIGTERM, ended)
    world = World(seed)
    trial, kills = Trial(world, "kill-loop"), {}
    try:
        api = trial.api()
        with trial.load(api, clients=CLIENTS, patience=PATIENCE):
            kills = kill_until(time.monotonic() + seconds, trial)
            api.await_ready()
        trial.judge()
    except Wrong as wrong:
        trial.faults.append(str(wrong))
    finally:
        trial.ends.close()
        world.remove()
    print(f"killed in {seconds:.0f} s, seed {seed}: " + ", ".join(f"{count} x {what}" for what, count in kills.items()))
    print(", ".join(trial.figures))
    print(f"FAIL: {'; '.join(trial.faults)}" if trial.faults else "pass")
    return 1 if trial.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
