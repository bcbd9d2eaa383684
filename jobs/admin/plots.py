"""Plots of pages: what a script draws, and the same as a table for who can't see it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One series of points. `faint` for what is only there to compare with."""

    label: str
    points: Sequence[Point]
    faint: bool = False
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot.

    Attributes:
        id: of its element.
        title: what it shows, in a few words.
        x, y: what the axes are.
        lines: for a plot of points or lines.
        bars: for one of bars: a name and as many values as there are labels, for each series.
        labels: what the bars are, one after the other; `ticks` are shorter words for them.
        range: of both axes, where it is known beforehand.
        sideways: whether bars lie.
    """

    id: str
    title: str
    x: str
    y: str
    lines: Sequence[Line] = ()
    labels: Sequence[str] = ()
    ticks: Sequence[str] = ()
    bars: Sequence[tuple[str, Sequence[float]]] = ()
    range: tuple[float, float] | None = None
    sideways: bool = False

    @property
    def spec(self) -> dict[str, Any]:
        """What the script draws."""
        return asdict(self)

    @property
    def json_id(self) -> str:
        """The id of the element that holds it."""
        return f"plot-{self.id}"

    @property
    def columns(self) -> list[str]:
        """The table's columns."""
        if self.bars:
            return [self.x, *(name for name, _ in self.bars)]
        return ["", self.x, self.y]

    @property
    def rows(self) -> list[list[str]]:
        """The table's rows."""
        if self.bars:
            columns = [values for _, values in self.bars]
            return [[label, *(f"{values[place]:.4g}" for values in columns)] for place, label in enumerate(self.labels)]
        return [[line.label, f"{x:.4g}", f"{y:.4g}"] for line in self.lines if not line.faint for x, y in line.points]


def histogram(id: str, title: str, x: str, y: str, edges: Sequence[float], counts: Sequence[float]) -> Plot:
    """Counts between neighbouring edges, as bars."""
    labels = [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)]
    return Plot(id, title, x, y, labels=labels, ticks=[f"{low:.2g}" for low in edges[:-1]], bars=[(y, list(counts))])
