"""Tables for people, JSON for machines."""
from __future__ import annotations

import datetime
import json
import pathlib
import statistics
import sys
from dataclasses import asdict, dataclass, field

from .loads import Run

RESULTS = pathlib.Path(__file__).resolve().parents[1] / "results"


@dataclass
class Bar:
    """One figure and what it must be."""

    name: str
    value: float
    bar: float
    goal: float | None = None
    unit: str = ""
    least: bool = True
    """Whether the value must be at least the bar; else at most."""

    @property
    def met(self) -> bool:
        return self.value >= self.bar if self.least else self.value <= self.bar

    def __str__(self) -> str:
        sign = "≥" if self.least else "≤"
        goal = f", goal {sign} {self.goal:g}" if self.goal is not None else ""
        return f"{'pass' if self.met else 'FAIL'}  {self.name}: {self.value:.3g}{self.unit} (bar {sign} {self.bar:g}{goal})"


@dataclass
class Report:
    """One benchmark's outcome."""

    name: str
    context: dict[str, object]
    runs: list[Run] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        return all(bar.met for bar in self.bars)

    def named(self, name: str) -> list[Run]:
        return [run for run in self.runs if run.name == name]

    def rates(self, name: str) -> list[float]:
        return [run.rate for run in self.named(name)]

    def print(self) -> None:
        print(f"\n## {self.name}\n")
        print_table(self.runs)
        for name, value in self.figures.items():
            print(f"{name}: {json.dumps(value, ensure_ascii=False)}")
        for bar in self.bars:
            print(bar)
        sys.stdout.flush()

    def write(self) -> pathlib.Path:
        RESULTS.mkdir(exist_ok=True)
        commit = str(self.context["commit"])[:9] + ("-changed" if self.context["changed"] else "")
        path = RESULTS / f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H%M%S}-{commit}-{self.name}.json"
        content = {
            "benchmark": self.name,
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **self.context,
            "bars": [asdict(bar) | {"met": bar.met} for bar in self.bars],
            "figures": self.figures,
            "runs": [run.raw() for run in self.runs],
        }
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        print(f"written: {path.relative_to(RESULTS.parents[1])}")
        return path


def print_table(runs: list[Run]) -> None:
    """Processor time is in microseconds an event; `busy` is the share of all cores, whoever used them; `stolen` the part of it that the host took."""
    print("| run | events | seconds | events/s | api µs | postgres µs | generator µs | busy | stolen |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for run in runs:
        cost = run.cpu.per_event(run.events)
        cells = [f"{cost.get(name, 0):.1f}" for name in ("api", "postgres", "generator")]
        print(f"| {run.name} | {run.events:,} | {run.seconds:.2f} | {run.rate:,.0f} | {' | '.join(cells)}"
              f" | {run.cpu.machine_share:.0%} | {run.cpu.stolen_share:.0%} |")
    print()


def summary(values: list[float]) -> dict[str, float]:
    """The median, and how far apart the rounds are."""
    middle = statistics.median(values)
    spread = (max(values) - min(values)) / middle if middle else 0
    return {"median": round(middle, 3), "least": round(min(values), 3), "most": round(max(values), 3), "spread": round(spread, 3)}
