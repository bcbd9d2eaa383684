"""Holds a history against the table, after everything has healed. Finds lies; says nothing when there are none."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from inference.engine.loader import LoadedModel, load
from inference.engine.parity import verdict
from inference.engine.store import FolderStore
from tests.faults.history import History, Operation
from tests.faults.stack import ENDPOINT, Stack


@dataclass(frozen=True, slots=True)
class Row:
    """A stored prediction."""

    id: str
    client_id: str | None
    features: tuple[float, ...]
    output: dict[str, Any] | None
    version: str
    error: str | None


class Checker:
    """Compares what clients saw with what is stored, and both with the models."""

    def __init__(self, stack: Stack, history: History) -> None:
        self.stack = stack
        self.history = history
        self._models: dict[str, LoadedModel] = {}

    def problems(self) -> list[str]:
        """Every way in which history, table and models disagree; empty when all promises were kept."""
        rows = self._rows()
        found = [
            *self._seen_but_not_stored(rows),
            *self._refused_but_stored(rows),
            *self._stored_twice(rows),
            *self._never_sent(rows),
            *self._out_of_order(),
            *self._computed_otherwise(rows),
        ]
        return found[:20]

    def _rows(self) -> list[Row]:
        """What is stored of this history's readings: by client id, or by the id of the answer."""
        # Features that a client has sent are unique per history only by chance, so REST rows are found by answer.
        prefixes = tuple({operation.client for operation in self.history})
        query = (
            "SELECT p.id::text, p.client_id, p.features, p.output, v.algorithm || '-' || v.major || '.' || v.minor"
            " || '.' || v.patch, p.error FROM inference_prediction p JOIN inference_version v ON v.id = p.version_id"
            " WHERE split_part(replace(p.client_id, 'poison ', ''), '.', 1) = ANY (%s) OR p.id = ANY (%s::uuid[])"
        )
        seen = [operation.id for operation in self.history if operation.id]
        found = self.stack.sql(query, (list(prefixes), seen))
        return [Row(id_, client_id, tuple(values), *rest) for id_, client_id, values, *rest in found]

    def _seen_but_not_stored(self, rows: Sequence[Row]) -> Iterator[str]:
        """G2: an answer that said `stored` is in the table, with the same output, version and features."""
        by_id = {row.id: row for row in rows}
        for operation in self.history.of("ok"):
            if not operation.stored:
                continue
            row = by_id.get(operation.id or "")
            if row is None:
                yield f"a client saw {operation.id} as stored, and it is not: {operation}"
            elif (row.output, row.version, row.client_id) != (
                operation.output,
                operation.version,
                operation.client_id,
            ) or tuple(map(float, row.features)) != tuple(map(float, operation.features)):
                yield f"a client saw another answer than the stored one: {operation} against {row}"

    def _refused_but_stored(self, rows: Sequence[Row]) -> Iterator[str]:
        """A definite no means that nothing was stored, or that the row is one that failed."""
        by_client_id = {row.client_id: row for row in rows if row.client_id is not None}
        for operation in self.history.of("fail"):
            row = by_client_id.get(operation.client_id)
            if row is not None and row.error is None:
                yield f"a client was refused ({operation.code}), and its prediction is stored: {operation}"

    def _stored_twice(self, rows: Sequence[Row]) -> Iterator[str]:
        """No reading has two rows, no row two ids."""
        for what, values in (("id", [row.id for row in rows]), ("client id", [row.client_id for row in rows])):
            for value, count in Counter(values).items():
                if value is not None and count > 1:
                    yield f"{count} rows have the {what} {value}"
        seen = Counter(operation.id for operation in self.history if operation.id)
        yield from (f"{count} answers had the id {id_}" for id_, count in seen.items() if count > 1)

    def _never_sent(self, rows: Sequence[Row]) -> Iterator[str]:
        """Every row is of a reading that a client sent, with its features."""
        sent = {operation.client_id: operation for operation in self.history if operation.client_id is not None}
        for row in rows:
            if row.client_id is None:
                continue
            operation = sent.get(row.client_id)
            if operation is None:
                yield f"a row was never sent: {row}"
            elif tuple(map(float, row.features)) != tuple(map(float, operation.features)):
                yield f"a row has other features than were sent: {row} against {operation}"

    def _out_of_order(self) -> Iterator[str]:
        """Answers of a connection come in the order of its readings, with rising ids, each to its own reading."""
        connections: dict[tuple[str, int], list[Operation]] = defaultdict(list)
        for operation in self.history:
            if operation.answered is not None:
                connections[operation.client, operation.connection].append(operation)
            if operation.code == "answer_of_another":
                yield f"an answer went to another reading: {operation}"
        for key, operations in connections.items():
            operations.sort(key=lambda operation: operation.answered or 0)
            positions = [operation.position for operation in operations]
            ids = [operation.id for operation in operations if operation.id]
            if positions != sorted(positions) or ids != sorted(ids):
                yield f"answers of {key} came out of order"

    def _computed_otherwise(self, rows: Sequence[Row]) -> Iterator[str]:
        """Each output is what its version answers to its features, as `verify` would find."""
        by_version: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row.error is None:
                by_version[row.version].append(row)
        for tag, answered in by_version.items():
            model = self._model(tag)
            scale = model.manifest.parity.scale
            instances = [model.signature.row(list(row.features)) for row in answered]
            again = [
                output
                for start in range(0, len(answered), 64)
                for output in model.predict(instances[start : start + 64])
            ]
            for row, output in zip(answered, again, strict=True):
                if row.output is None or verdict(row.output, json.loads(output), scale=scale) == "different":
                    yield f"{tag} answers {output} to what is stored as {row}"

    def _model(self, tag: str) -> LoadedModel:
        if tag not in self._models:
            algorithm, _, number = tag.rpartition("-")
            query = (
                "SELECT v.digest FROM inference_version v JOIN inference_endpoint e ON e.id = v.endpoint_id"
                " WHERE e.slug = %s AND v.algorithm = %s AND v.major = %s AND v.minor = %s AND v.patch = %s"
            )
            digest = self.stack.sql(query, (ENDPOINT, algorithm, *map(int, number.split("."))))[0][0]
            self._models[tag] = load(FolderStore(self.stack.home / "store").path(digest), digest=digest)
        return self._models[tag]
