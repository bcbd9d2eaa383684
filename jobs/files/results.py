"""What came of a row, as columns beside the input's."""

from collections.abc import Iterator
from typing import Any

import msgspec

from inference.engine.signature import Output
from jobs.files.header import Header

Result = tuple[str | None, str | None, str | None]
"""A row's output as JSON text, or its error's code and detail. All three are None for a row nobody has done yet."""

PREFIX = "foretell_"
"""Stands before a column's name where the input has a column of that name."""


class ResultColumns:
    """The columns of results: `row`, `status`, those of the output, `error` and `detail`.

    The output's are `label` and `score_<label>` for each label; `value`; or `score` and `label`. `status` is `ok`,
    `error`, or `open` where the row was not done.
    """

    def __init__(self, known: Header, output: Output) -> None:
        self._kind = output.kind
        self._labels = output.labels
        self._taken = set(known.columns)
        self.kinds = {
            "classification": ("label", *(f"score_{label}" for label in output.labels)),
            "regression": ("value",),
            "anomaly": ("score", "label"),
        }[output.kind]
        self.answers = tuple(map(self.name, self.kinds))
        self.names = (self.name("row"), self.name("status"), *self.answers, self.name("error"), self.name("detail"))
        self._nothing = ("",) * len(self.kinds)

    def name(self, name: str) -> str:
        """The column's name, made different from every column of the input."""
        while name in self._taken:
            name = PREFIX + name
        return name

    def texts(self, row: int, result: Result) -> Iterator[str]:
        """The cells of one row as texts; numbers have the digits that are stored."""
        output, error, detail = result
        yield str(row)
        yield status(result)
        yield from self._texts(output) if output is not None else self._nothing
        yield error or ""
        yield detail or ""

    def values(self, output: str | None) -> tuple[Any, ...]:
        """The cells of an output as text and numbers, None in each where there is no output."""
        if output is None:
            return (None,) * len(self.answers)
        said = msgspec.json.decode(output)
        if self._kind == "classification":
            scores = said["scores"]
            return (said["label"], *(float(scores[label]) for label in self._labels))
        return (float(said["value"]),) if self._kind == "regression" else (float(said["score"]), said["label"])

    def _texts(self, output: str) -> tuple[str, ...]:
        if self._kind == "classification":
            said = _CLASSIFIED.decode(output)
            return (said.label, *(_digits(said.scores[label]) for label in self._labels))
        if self._kind == "regression":
            return (_digits(_VALUED.decode(output).value),)
        scored = _SCORED.decode(output)
        return (_digits(scored.score), scored.label)


def status(result: Result) -> str:
    """How a row ended, in a word."""
    return "ok" if result[0] is not None else "error" if result[1] is not None else "open"


def _digits(raw: msgspec.Raw) -> str:
    return bytes(raw).decode()


class _Classified(msgspec.Struct):
    """A label with scores, whose digits stay as they are."""

    label: str
    scores: dict[str, msgspec.Raw]


class _Valued(msgspec.Struct):
    """A value, whose digits stay as they are."""

    value: msgspec.Raw


class _Scored(msgspec.Struct):
    """A score, whose digits stay as they are, and a label."""

    score: msgspec.Raw
    label: str


_CLASSIFIED = msgspec.json.Decoder(_Classified)
_VALUED = msgspec.json.Decoder(_Valued)
_SCORED = msgspec.json.Decoder(_Scored)
