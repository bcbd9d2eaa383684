"""Ratios of a stage to its reference, each stage run between two runs of the reference."""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.load import Rate

Measure = Callable[[], Awaitable[Rate]]


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some ratios or differences, with the least and the greatest."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        digits = 0 if self.median >= 100 else 1 if self.median >= 10 else 2
        low, high = min(self.values), max(self.values)
        return f"{self.median:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Pairs:
    """A stage beside its reference: one entry a pair. The reference is the mean of the run before and the run after."""

    stage: Sequence[Rate]
    reference: Sequence[Rate]

    @property
    def ratio(self) -> Spread:
        """Answers a second, stage to reference."""
        return Spread(tuple(s.per_second / r.per_second for s, r in zip(self.stage, self.reference, strict=True)))

    @property
    def added_ms(self) -> Spread:
        """What the stage adds to the median round trip."""
        return Spread(tuple(s.p50_ms - r.p50_ms for s, r in zip(self.stage, self.reference, strict=True)))

    @property
    def trouble(self) -> str:
        """What went wrong in the stage's runs, or nothing."""
        refused, lost = sum(rate.refused for rate in self.stage), sum(rate.lost for rate in self.stage)
        first = next((rate.first_refusal for rate in self.stage if rate.first_refusal), "")
        return f"{refused} refused, {lost} connections lost. {first}" if refused or lost else ""


async def measure(stages: Mapping[str, Measure], reference: Measure, pairs: int) -> dict[str, Pairs]:
    """Run reference, stage, reference, next stage, reference, … until every stage has its pairs."""
    stage_rates: dict[str, list[Rate]] = {name: [] for name in stages}
    reference_rates: dict[str, list[Rate]] = {name: [] for name in stages}
    before = await reference()
    for _ in range(pairs):
        for name, stage in stages.items():
            stage_rates[name].append(await stage())
            after = await reference()
            reference_rates[name].append(_mean(before, after))
            before = after
    return {name: Pairs(stage_rates[name], reference_rates[name]) for name in stages}


def _mean(one: Rate, other: Rate) -> Rate:
    return Rate(
        per_second=(one.per_second + other.per_second) / 2,
        cpu_us=(one.cpu_us + other.cpu_us) / 2,
        p50_ms=(one.p50_ms + other.p50_ms) / 2,
        refused=one.refused + other.refused,
        lost=one.lost + other.lost,
        first_refusal=one.first_refusal or other.first_refusal,
    )


def middle(rates: Sequence[Rate], name: str) -> float:
    """The median of one figure of some runs."""
    return statistics.median(getattr(rate, name) for rate in rates)
