"""What the bench prints: a line a measurement as it comes, the goals at the end."""

import platform
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.bench.pairs import Pairs, Spread, middle


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for a ratio or an amount, and what was measured."""

    name: str
    bound: float
    at_most: bool
    measured: Spread

    @property
    def met(self) -> bool:
        """Whether the median keeps the bound."""
        return self.measured.median <= self.bound if self.at_most else self.measured.median >= self.bound


@dataclass(slots=True)
class Report:
    """Collects goals while it prints measurements."""

    goals: list[Goal] = field(default_factory=list)

    def title(self, text: str) -> None:
        """Begin a table of pairs."""
        print(f"\n{text}")
        head = ("", "ratio", "a second", "reference", "CPU us each", "reference", "p50 ms", "reference")
        print("{:34}{:>22}{:>10}{:>11}{:>13}{:>11}{:>8}{:>11}".format(*head), flush=True)

    def pairs(self, name: str, pairs: Pairs) -> None:
        """Print one stage."""
        figures = "".join(
            f"{middle(pairs.stage, figure):>{width}.{digits}f}{middle(pairs.reference, figure):>11.{digits}f}"
            for figure, width, digits in (("per_second", 10, 0), ("cpu_us", 13, 1), ("p50_ms", 8, 2))
        )
        print(f"{name:34}{pairs.ratio!s:>22}{figures}", flush=True)
        if pairs.trouble:
            print(f"    {pairs.trouble}", flush=True)

    def line(self, name: str, text: object) -> None:
        """Print one measurement that is not a pair."""
        print(f"{name:34}{text!s:>22}", flush=True)

    def at_least(self, name: str, bound: float, measured: Spread) -> None:
        """Keep a goal that is a lower bound."""
        self.goals.append(Goal(name, bound, False, measured))

    def at_most(self, name: str, bound: float, measured: Spread) -> None:
        """Keep a goal that is an upper bound."""
        self.goals.append(Goal(name, bound, True, measured))

    def end(self) -> None:
        """Print the goals beside what was measured."""
        print("\nGoals (2 cores, random forest); medians with their range")
        for goal in self.goals:
            sign = "<=" if goal.at_most else ">="
            print(f"{goal.name:46}{sign:>4} {goal.bound:<8g}{goal.measured!s:>24}  {'ok' if goal.met else 'MISSED'}")


def machine() -> str:
    """One line on where this runs; the figures hold for it alone."""
    model = "unknown processor"
    if (facts := Path("/proc/cpuinfo")).exists():
        model = next((line.split(": ")[1] for line in facts.read_text().splitlines() if "model name" in line), model)
    memory_gib = psutil.virtual_memory().total / 2**30
    load = ", ".join(f"{value:.1f}" for value in psutil.getloadavg())
    return (
        f"{model}, {psutil.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}; load before the start {load}"
    )
