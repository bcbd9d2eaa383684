"""What is seen of a start: its steps, one line each, live on a terminal and plain elsewhere."""

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

_REFRESH_S = 0.1


@dataclass(slots=True)
class _Step:
    name: str
    started_at: float = field(default_factory=time.monotonic)
    took_s: float | None = None
    failed: bool = False


class Progress:
    """Steps with their times. A context: left, the last picture stays on the terminal.

    It draws only when `tick` is called, and so needs no thread: a process that forks has none to spare.

    Args:
        console: where it writes.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps: list[_Step] = []
        self._spinner = Spinner("dots")
        self._drawn_at = 0.0
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_step(failed=error is not None)
        if self._live:
            self._live.update(self._picture(), refresh=True)
            self._live.stop()

    def begin(self, name: str) -> None:
        """The step before is done, and this one runs; left by an exception, it has failed."""
        self._end_step(failed=False)
        self._steps.append(_Step(name))
        self.tick()

    def _end_step(self, *, failed: bool) -> None:
        if self._steps and self._steps[-1].took_s is None:
            step = self._steps[-1]
            step.took_s = time.monotonic() - step.started_at
            step.failed = failed
            if self._live is None:
                self._console.print(_line(step), highlight=False)

    def tick(self) -> None:
        """Draw again, if it is time to."""
        if self._live and time.monotonic() - self._drawn_at > _REFRESH_S:
            self._drawn_at = time.monotonic()
            self._live.update(self._picture(), refresh=True)

    def _picture(self) -> RenderableType:
        lines: list[RenderableType] = []
        for step in self._steps:
            if step.took_s is None:
                self._spinner.update(text=Text(step.name))
                lines.append(self._spinner)
            else:
                lines.append(_line(step))
        return Group(*lines)


def _line(step: _Step) -> Text:
    mark, style = ("✗", "red") if step.failed else ("✓", "green")
    return Text.assemble((mark, style), f" {step.name} ", (f"{step.took_s or 0:.1f} s", "dim"))
