"""Sheets: files of many real readings with some bad rows among them, and what scikit-learn answers to each row."""

import gzip
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt

from tests.bench.readings import NAMES, SHUTTLE

SPOILT = (
    ("s1", "999", "out_of_range"),
    ("s2", "abc", "wrong_type"),
    ("s3", "1e999", "not_finite"),
    ("s4", "", "null_not_allowed"),
)
"""What is put into a bad row: an input, its text, and the code the row must end with."""


@dataclass(frozen=True)
class Sheet:
    """Rows of the shuttle's nine sensors, the data over and over from a row of its own on.

    Args:
        rows: how many.
        bad_every: every so many rows one is bad, in turn in each way of `SPOILT`; 0 for none.
        start: where in the data it begins, so that two sheets differ.
    """

    rows: int
    bad_every: int = 997
    start: int = 0

    def code(self, row: int) -> str | None:
        """The error code that row must end with (rows count from 1), None when it is a good one."""
        return SPOILT[row // self.bad_every % len(SPOILT)][2] if self._bad(row) else None

    @cached_property
    def csv(self) -> bytes:
        """The file. Its last column, `n`, is no input: it is the row's number."""
        data = self._data
        lines = [f"{','.join(NAMES)},n"]
        for row in range(1, self.rows + 1):
            cells = data[(self.start + row - 1) % len(data)]
            if self._bad(row):
                name, text, _ = SPOILT[row // self.bad_every % len(SPOILT)]
                cells = [text if name == column else cell for column, cell in zip(NAMES, cells, strict=True)]
            lines.append(f"{','.join(cells)},{row}")
        return ("\n".join(lines) + "\n").encode()

    @cached_property
    def matrix(self) -> npt.NDArray[np.float32]:
        """The good values of all rows, shape (rows, 9); bad rows have the values they had before they were spoilt."""
        values = np.array(self._data, dtype=np.float32)
        return values[(np.arange(self.rows) + self.start) % len(values)]

    @cached_property
    def expected(self) -> npt.NDArray[np.float64]:
        """What scikit-learn's `predict_proba` answers to each row, shape (rows, 2): normal, fault."""
        forest: Any = joblib.load(SHUTTLE / "random_forest" / "1.0.0" / "model.joblib")
        values = np.array(self._data, dtype=np.float32)
        order = [list(forest.classes_).index(label) for label in ("normal", "fault")]
        answers = np.concatenate([forest.predict_proba(values[at : at + 5000]) for at in range(0, len(values), 5000)])
        answered: npt.NDArray[np.float64] = answers[:, order]
        return answered[(np.arange(self.rows) + self.start) % len(values)]

    @cached_property
    def bad(self) -> int:
        """How many rows are bad."""
        return self.rows // self.bad_every if self.bad_every else 0

    def _bad(self, row: int) -> bool:
        return bool(self.bad_every) and row % self.bad_every == 0

    @cached_property
    def _data(self) -> list[list[str]]:
        with gzip.open(next((SHUTTLE / "data").glob("*.csv.gz")), "rt") as lines:
            next(lines)
            return [line.strip().split(",")[: len(NAMES)] for line in lines]
