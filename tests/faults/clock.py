"""A clock that a test sets: processes started with its environment see another wall time, whenever it is moved."""

from pathlib import Path

import libfaketime


class Clock:
    """A wall clock in a file. Monotonic time stays true, as it does when an operator sets a machine's clock.

    Args:
        path: the file that says how far the clock is off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Set the clock that many seconds ahead of the truth, or behind it; seen within a second."""
        moved = self._path.with_suffix(".new")
        moved.write_text(f"{seconds:+d}s\n")
        moved.chmod(0o644)
        moved.rename(self._path)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in order to see this clock."""
        _, variables = libfaketime.get_reload_information()
        variables = {name: value for name, value in variables.items() if name != "FAKETIME_NO_CACHE"}
        return variables | {"FAKETIME_TIMESTAMP_FILE": str(self._path), "FAKETIME_CACHE_DURATION": "1"}
