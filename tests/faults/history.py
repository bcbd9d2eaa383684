"""What every client did and saw, one line of JSON an operation: the only witness the checker trusts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

Outcome = Literal["ok", "fail", "info"]
"""`ok`: a prediction came. `fail`: a definite no came. `info`: the client can't know what became of it."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One reading from its sender's side.

    `connection` and `position` number the client's connections and the readings on each; `answered` the answers of
    one connection in the order they came.
    """

    client: str
    connection: int
    position: int
    client_id: str | None
    features: tuple[float, ...]
    outcome: Outcome
    answered: int | None = None
    code: str | None = None
    id: str | None = None
    output: dict[str, Any] | None = None
    version: str | None = None
    stored: bool | None = None


class History:
    """Appends operations to a file and gives them back.

    Args:
        path: the JSONL file; what is in it is kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.operations: list[Operation] = []
        self._file = path.open("ab", buffering=0)

    def add(self, operation: Operation) -> None:
        """Keep one operation; it is in the file when this returns."""
        self.operations.append(operation)
        self._file.write(msgspec.json.encode(operation) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def of(self, outcome: Outcome) -> list[Operation]:
        """The operations that ended so."""
        return [operation for operation in self.operations if operation.outcome == outcome]

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __len__(self) -> int:
        return len(self.operations)
