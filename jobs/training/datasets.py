"""From an endpoint's data file to rows and targets, read by the same signature that serving uses."""

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from inference.engine.definition import Definition
from inference.engine.eager import eager
from inference.engine.errors import InvalidInput
from inference.engine.inputs import Input
from inference.engine.manifest import sha256
from inference.engine.signature import Row, Signature
from jobs.errors import DataInvalid
from jobs.training.algorithms import run

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "data"
_SHOWN = 5
_encode = msgspec.json.Encoder().encode
_float32 = struct.Struct("<f")

Target = str | float


@eager
class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[data]` table of `endpoint.toml`.

    Attributes:
        file: a CSV file (also `.gz`) in the endpoint's folder `data/`.
        target: the column with the truth; an anomaly endpoint may do without.
        columns: the file's column for an input, where the names differ.
        labels: the label for a value of the target column, where they differ.
        missing: texts that stand for a missing value.
        hold_out: the share of rows kept from training, to measure on.
        split: `random` (by label for a classification); `time`: the last rows of the file are held out; `hash`: those
            whose values hash low, so that a row stays on its side whatever is added to the file or taken from it.
        prepare: a Python file in the endpoint's folder with `prepare(table)`, from the file's table of texts
            (a DataFrame) to a table with a column for each input and the target.
    """

    file: str
    target: str | None = None
    columns: dict[str, str] = {}
    labels: dict[str, str] = {}
    missing: tuple[str, ...] = ("",)
    hold_out: float = 0.2
    split: Literal["random", "time", "hash"] = "random"
    prepare: str | None = None


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Rows as serving would see them, and the truth about each.

    `targets` are labels, or values, or empty where the endpoint has none. `files` and `code` hold sha256 by path.
    """

    rows: Sequence[Row]
    targets: Sequence[Target]
    files: Mapping[str, str]
    code: Mapping[str, str]
    source: Source


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of the rows to train on and of those held out."""

    train: Sequence[int]
    held_out: Sequence[int]


def load(definition: Definition) -> Dataset:
    """Read the endpoint's training data.

    Raises:
        DataInvalid: the `[data]` table, a file or some rows can't be used; the first few are named.
    """
    source = _source(definition)
    place = f"{definition.folder.name}/{FOLDER}/{source.file}"
    path = definition.folder / FOLDER / source.file
    import pandas as pd  # only training needs it; it would take 45 MB of every web process

    try:
        data = path.read_bytes()
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataInvalid(place, f"can't be read as CSV: {error}.") from error
    code = {}
    if source.prepare is not None:
        table, code[source.prepare] = _prepared(definition.folder / source.prepare, table)
    rows = _rows(definition.signature, source, table, place)
    targets = _targets(definition.signature, source, table, place)
    files = {f"{FOLDER}/{source.file}": sha256(data)}
    return Dataset(rows=rows, targets=targets, files=files, code=code, source=source)


def split(dataset: Dataset, signature: Signature, *, seed: int, place: str) -> Split:
    """Choose the rows to hold out: the last ones, those whose hash is low, or a seeded choice by the labels' shares.

    Raises:
        DataInvalid: there are too few rows, or too few of a label.
    """
    from sklearn.model_selection import train_test_split

    count = len(dataset.rows)
    if dataset.source.split == "time":
        kept = count - max(1, round(count * dataset.source.hold_out))
        if kept < 1:
            raise DataInvalid(place, f"has {count} rows, too few to hold some out.")
        return Split(range(kept), range(kept, count))
    if dataset.source.split == "hash":
        return _by_hash(dataset, place)
    labels = dataset.targets if signature.output.kind == "classification" else None
    try:
        train, held_out = train_test_split(
            np.arange(count), test_size=dataset.source.hold_out, random_state=seed, stratify=labels
        )
    except ValueError as error:
        raise DataInvalid(place, f"can't be split: {error}") from error
    # In the file's order, so that a fit does not depend on how the choice was shuffled.
    return Split(sorted(train.tolist()), sorted(held_out.tolist()))


def key(row: Row, target: Target | None) -> bytes:
    """What two rows share that are the same to a model: values rounded to float32, and the truth."""
    return _encode(([_rounded(value) for value in row], target))


def share(row: Row) -> float:
    """Where the hash of a row's values lies between 0 and 1, on every machine and for good."""
    return int.from_bytes(hashlib.sha256(key(row, None)).digest()[:8]) / 2**64


def _rounded(value: Any) -> Any:
    if type(value) is not float:
        return value
    try:
        return _float32.unpack(_float32.pack(value))[0]
    except OverflowError:
        return value


def _by_hash(dataset: Dataset, place: str) -> Split:
    held = [share(row) < dataset.source.hold_out for row in dataset.rows]
    if all(held) or not any(held):
        raise DataInvalid(place, f"has {len(held)} rows, too few to hold some out by their hash.")
    return Split([at for at, out in enumerate(held) if not out], [at for at, out in enumerate(held) if out])


def _source(definition: Definition) -> Source:
    place = f"{definition.folder.name}/endpoint.toml"
    if not definition.data:
        raise DataInvalid(place, "needs a table `[data]` with a `file` and a `target` to train from.")
    try:
        source = msgspec.convert(dict(definition.data), Source)
    except msgspec.ValidationError as error:
        raise DataInvalid(place, f"`[data]`: {error}.") from error
    if not 0 < source.hold_out < 1:
        raise DataInvalid(place, f"`hold_out` is a share above 0 and below 1; it is {source.hold_out:g}.")
    if Path(source.file).name != source.file or (source.prepare and Path(source.prepare).name != source.prepare):
        raise DataInvalid(place, "`file` and `prepare` are names of files, without folders.")
    if source.target is None and definition.signature.output.kind != "anomaly":
        raise DataInvalid(place, "`[data]` needs the `target` column.")
    return source


def _prepared(path: Path, table: "pd.DataFrame") -> "tuple[pd.DataFrame, str]":
    """The table that `prepare(table)` makes, and the code's sha256."""
    import pandas as pd

    place = f"{path.parent.name}/{path.name}"
    try:
        code = path.read_bytes()
    except OSError as error:
        raise DataInvalid(place, f"can't be read ({error.strerror}).") from error
    prepare = getattr(run(code, path), "prepare", None)
    if not callable(prepare):
        raise DataInvalid(place, "needs a function `prepare(table)`.")
    try:
        made = prepare(table)
    except Exception as error:
        raise DataInvalid(place, f"`prepare` raised {type(error).__name__}: {error}") from error
    if not isinstance(made, pd.DataFrame):
        raise DataInvalid(place, f"`prepare` must return a DataFrame; it returned {type(made).__name__}.")
    return made, sha256(code)


def _rows(signature: Signature, source: Source, table: "pd.DataFrame", place: str) -> list[Row]:
    columns = [source.columns.get(one.name, one.name) for one in signature.inputs]
    if missing := [name for name in (*columns, source.target) if name is not None and name not in table]:
        known = ", ".join(map(str, table.columns[:20]))
        raise DataInvalid(place, f"has no column {missing[0]!r}; it has {known}. Name it in `[data] columns`.")
    if table.empty:
        raise DataInvalid(place, "has no rows.")
    texts = [_cells(table, name) for name in columns]
    rows: list[Row] = []
    problems: list[str] = []
    for line, cells in enumerate(zip(*texts, strict=True), start=2):
        try:
            values = [_value(one, cell, source.missing) for one, cell in zip(signature.inputs, cells, strict=True)]
            rows.append(signature.row(values))
        except InvalidInput as error:
            problems.append(f"line {line}: {error}")
    _refuse(problems, place, "Correct the data, or widen the input in endpoint.toml.")
    return rows


def _cells(table: "pd.DataFrame", name: str) -> list[Any]:
    """A column's cells as plain Python has them; None for each of the ways in which pandas says that one is missing."""
    column = table[name]
    cells: list[Any] = column.astype(object).where(column.notna(), None).tolist()
    return cells


def _value(one: Input, cell: Any, missing: Sequence[str]) -> Any:
    """A cell as a device would send it: a number, a text, or None."""
    if cell is None or cell in missing:
        return None
    if one.dtype == "string":
        return str(cell)
    if isinstance(cell, float):
        # Of a prepared table; int() would cut off what the signature refuses.
        return cell
    try:
        return float(cell) if one.dtype == "float" else int(cell)
    except ValueError:
        pass
    try:
        # A whole number written as 12.0: the signature takes it, and refuses 12.5.
        return float(cell)
    except ValueError:
        return cell


def _targets(signature: Signature, source: Source, table: "pd.DataFrame", place: str) -> list[Target]:
    if source.target is None:
        return []
    cells = _cells(table, source.target)
    problems: list[str] = []
    targets: list[Target] = []
    labels = signature.output.labels or ("normal", "anomaly")
    for line, cell in enumerate(cells, start=2):
        if signature.output.kind == "regression":
            number = _number(cell)
            if number is None:
                problems.append(f"line {line}: {source.target!r} must be a finite number; it is {cell!r}.")
            else:
                targets.append(number)
            continue
        label = source.labels.get(str(cell), str(cell))
        if label not in labels:
            problems.append(f"line {line}: {source.target!r} must be one of {', '.join(labels)}; it is {label!r}.")
        targets.append(label)
    _refuse(problems, place, "Correct the data, or translate values in `[data] labels`.")
    return targets


def _number(cell: Any) -> float | None:
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _refuse(problems: Sequence[str], place: str, advice: str) -> None:
    if problems:
        shown = " ".join(problems[:_SHOWN])
        raise DataInvalid(place, f"{len(problems):,} rows can't be used. {shown} {advice}")
