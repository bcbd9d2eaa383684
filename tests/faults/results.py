"""Compares a batch job's rows in the tables with scikit-learn, its chunks with its rows, and the totals with both."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import psycopg

from inference.engine.parity import LABEL_TIE, SCORE_TOLERANCE
from tests.faults.sheets import Sheet
from tests.faults.stack import Stack

ROUNDING = 1.5e-7
"""Stored scores have 7 digits."""
SLICE = 20_000


class _Output(msgspec.Struct):
    label: str
    scores: dict[str, float]


@dataclass(frozen=True)
class Results:
    """What became of a job made from a sheet.

    Args:
        poison: the number of the chunk that must have been set aside, if one must.
    """

    stack: Stack
    job: str
    sheet: Sheet
    poison: int | None = None

    def problems(self) -> list[str]:
        """Every way in which job, chunks and results differ from what they must be; the first twenty."""
        return [*self._wrong_job(), *self._wrong_chunks(), *self._wrong_results()][:20]

    def _wrong_job(self) -> Iterator[str]:
        query = "SELECT state, rows, code, detail FROM jobs_batchjob WHERE id = %s"
        state, rows, code, detail = self.stack.sql(query, (self.job,))[0]
        if (state, rows) != ("done", self.sheet.rows):
            yield f"the job is {state} ({code} {detail}) with {rows} rows, not done with {self.sheet.rows}"

    def _wrong_chunks(self) -> Iterator[str]:
        query = "SELECT number, first_row, rows, state, ok, errors FROM jobs_chunk WHERE job_id = %s ORDER BY number"
        next_row, ok, errors = 1, 0, Counter[str]()
        for number, first_row, rows, state, chunk_ok, chunk_errors in self.stack.sql(query, (self.job,)):
            wanted = "poison" if number == self.poison else "done"
            if (first_row, state) != (next_row, wanted):
                yield f"chunk {number} is {state} and begins with row {first_row}, not {wanted} with {next_row}"
            if chunk_ok + sum(chunk_errors.values()) != rows:
                yield f"chunk {number} counts {chunk_ok} ok and {chunk_errors} of {rows} rows"
            next_row, ok = next_row + rows, ok + chunk_ok
            errors.update(chunk_errors)
        expected = Counter(filter(None, map(self._code, range(1, self.sheet.rows + 1))))
        if (ok, errors) != (self.sheet.rows - expected.total(), expected):
            yield f"the chunks count {ok} ok and {dict(errors)}, not {dict(expected)} of {self.sheet.rows}"

    def _code(self, row: int) -> str | None:
        """The error code a row must have ended with."""
        return "poison" if row in self._poisoned else self.sheet.code(row)

    @cached_property
    def _poisoned(self) -> range:
        query = "SELECT first_row, rows FROM jobs_chunk WHERE job_id = %s AND number = %s"
        found = self.stack.sql(query, (self.job, self.poison)) if self.poison is not None else []
        return range(found[0][0], found[0][0] + found[0][1]) if found else range(0)

    def _wrong_results(self) -> Iterator[str]:
        seen = 0
        query = "SELECT row, output::text, error FROM jobs_result WHERE job_id = %s ORDER BY row"
        with psycopg.connect(self.stack.postgres.url) as connection, connection.cursor("results") as cursor:
            cursor.execute(query, (self.job,))
            while rows := cursor.fetchmany(SLICE):
                yield from self._wrong_rows(seen, rows)
                seen += len(rows)
        if seen != self.sheet.rows:
            yield f"there are {seen} results of {self.sheet.rows} rows"

    def _wrong_rows(self, seen: int, rows: list[tuple[int, str | None, str | None]]) -> Iterator[str]:
        """Compare some consecutive results, of which the first should be row `seen` + 1."""
        places, found = [], []
        decoder = msgspec.json.Decoder(_Output)
        for place, (row, output, error) in enumerate(rows):
            if row != seen + place + 1:
                yield f"row {row} stands where row {seen + place + 1} should"
                return
            if error != (code := self._code(row)) or (output is None) != (code is not None):
                yield f"row {row} ended with {error} and {output}, not with {code}"
            elif output is not None:
                answer = decoder.decode(output)
                places.append(row - 1)
                found.append((answer.scores["normal"], answer.scores["fault"], answer.label == "fault"))
        if places and places[-1] < self.sheet.rows:
            yield from self._wrong_values(np.array(places), np.array(found))

    def _wrong_values(self, places: Any, found: Any) -> Iterator[str]:
        expected = self.sheet.expected[places]
        apart = np.abs(found[:, :2] - expected).max(axis=1) > SCORE_TOLERANCE + ROUNDING
        other = (found[:, 2] > 0.5) != (expected[:, 1] > expected[:, 0])
        other &= np.abs(expected[:, 1] - expected[:, 0]) > LABEL_TIE
        for place in np.flatnonzero(apart | other)[:5]:
            yield f"row {places[place] + 1} got {found[place]}, scikit-learn answers {expected[place]}"
