"""From a chunk's rows to its results: what the model answers to each, as lines of COPY text."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from inference.engine.loader import LoadedModel
from inference.engine.outputs import encode
from inference.engine.signature import Row
from jobs.files import Refusal

SLICE = 512
"""Rows predicted by one call; between two of them a lost lease is noticed."""
COPY = "COPY jobs_result (job_id, row, output, error, detail) FROM STDIN"

_ERROR = "model_error"
_DETAIL_CHARACTERS = 500
_ESCAPE = "\\"
_OK = "\t\\N\t\\N\n"

logger = structlog.get_logger(__name__)

Answer = str | Refusal
"""What one row came to: its output as JSON text, or why it has none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """All of a chunk's results: the COPY text, how many rows are ok, and how many ended with which error code."""

    text: str
    ok: int
    errors: dict[str, int]


def answers(model: LoadedModel, rows: Sequence[Row | Refusal], *, check: Callable[[], None]) -> list[Answer]:
    """Each row's answer, in order. A row the model can't answer fails alone.

    Args:
        rows: rows of the model's signature, and refusals where a row could not be read.
        check: called before each slice; what it raises ends the work.
    """
    places = [place for place, row in enumerate(rows) if type(row) is not Refusal]
    answered: list[Answer] = list(rows)  # type: ignore[arg-type]
    first: list[Exception] = []
    for start in range(0, len(places), SLICE):
        check()
        part = places[start : start + SLICE]
        said = _by_halves(model, [rows[place] for place in part], first)  # type: ignore[misc]
        for place, one in zip(part, said, strict=True):
            answered[place] = one
    if first:
        # One stands for all: a file of bad rows must not fill the log.
        logger.warning("the model could not answer some rows", version=model.tag, exc_info=first[0])
    return answered


def outcome(job: UUID, first_row: int, answered: Sequence[Answer]) -> Outcome:
    """A chunk's answers as results.

    Args:
        first_row: the number of the chunk's first row in the job.
    """
    errors: Counter[str] = Counter()
    lines = []
    head = f"{job}\t"
    for row, one in enumerate(answered, first_row):
        if type(one) is not str:
            errors[one.code] += 1
            lines.append(f"{head}{row}\t\\N\t{_escaped(one.code)}\t{_escaped(one.detail[:_DETAIL_CHARACTERS])}\n")
        elif _ESCAPE in one:
            lines.append(f"{head}{row}\t{_escaped(one)}{_OK}")
        else:
            lines.append(f"{head}{row}\t{one}{_OK}")
    return Outcome("".join(lines), len(answered) - errors.total(), dict(errors))


def _by_halves(model: LoadedModel, rows: Sequence[Row], first: list[Exception]) -> list[Answer]:
    """The answers to one slice. Where the model raises, it is asked again by halves until the row stands alone.

    Args:
        first: gets the first error that a single row led to, if it is empty.
    """
    try:
        # Past `LoadedModel.predict`, which would log each of the tries.
        return list(encode(model.signature.output, model.runtime.scores(model.signature.columns(rows))))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a model raises
        if len(rows) == 1:
            if not first:
                first.append(error)
            return [Refusal(_ERROR, f"{model.tag} could not answer this row. Another version may.")]
    half = len(rows) // 2
    return [*_by_halves(model, rows[:half], first), *_by_halves(model, rows[half:], first)]


def _escaped(text: str) -> str:
    """A text as COPY reads it, without what Postgres can't store: NUL and halves of surrogate pairs."""
    text = text.replace("\x00", "").encode("utf-8", "replace").decode()
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
