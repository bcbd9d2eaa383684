"""The body of a predict request, read into instances.

Fast accept, slow explain: one msgspec decoder per signature takes a good body in; whatever it refuses, and whatever
might hide a key that came twice, is read again by the strict decoder, which names every problem.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from inference.engine import strict_json
from inference.engine.errors import InvalidInput, Problem
from inference.engine.inputs import clipped
from inference.engine.instances import Instance
from inference.engine.signature import Row, Signature

MAX_INSTANCES = 256
MAX_PROBLEMS = 1000
"""Instances after this many problems are not read any more."""
_FIELDS = ("features", "instances")


class InstanceReader:
    """Reads bodies for one signature: `{"features": …}` or `{"instances": [… 1 to 256]}`."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        features = signature.features_type
        many = Annotated[list[features], msgspec.Meta(min_length=1, max_length=MAX_INSTANCES)]  # type: ignore[valid-type]
        body = msgspec.defstruct(
            "Body",
            [("features", features | UnsetType, UNSET), ("instances", many | UnsetType, UNSET)],
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decode = msgspec.json.Decoder(body).decode
        self._max_keys = 2 + max(strict_json.MAX_KEYS, MAX_INSTANCES * len(signature.inputs))

    def read(self, raw: bytes) -> list[Instance]:
        """The instances of a body, in order.

        Raises:
            InvalidInput: with every problem found.
        """
        signature = self._signature
        return [Instance(row, warnings=signature.warnings(row)) for row in self._rows(raw)]

    def _rows(self, raw: bytes) -> list[Row]:
        try:
            body = self._decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return self._explained(raw)
        if (body.features is UNSET) == (body.instances is UNSET) or b"\\" in raw:
            return self._explained(raw)
        several = (body.features,) if body.instances is UNSET else body.instances
        colons = self._signature.colons
        if raw.count(b":") != 1 + sum([colons(features) for features in several]):
            return self._explained(raw)
        decoded_row = self._signature.decoded_row
        return [decoded_row(features) for features in several]

    def _explained(self, raw: bytes) -> list[Row]:
        """The rows, read slowly, or every problem by name."""
        body = strict_json.decode(raw, max_keys=self._max_keys)
        if not isinstance(body, dict):
            detail = f"Expected an object with `features` or `instances`; got {clipped(body)}."
            raise InvalidInput(Problem("not_an_object", (), detail))
        problems = list(_unknown_fields(body))
        rows: list[Row] = []
        for features, path in self._several(body):
            try:
                rows.append(self._row(features, path))
            except InvalidInput as refusal:
                problems += refusal.problems
            if len(problems) > MAX_PROBLEMS:
                break
        if problems:
            raise InvalidInput(*problems)
        return rows

    def _several(self, body: dict[str, Any]) -> list[tuple[object, tuple[str | int, ...]]]:
        """What stands for an instance in the body, and where.

        Raises:
            InvalidInput: the instances are not where they should be, or too few or too many.
        """
        if "instances" not in body:
            if "features" not in body:
                problem = Problem(
                    "missing_feature", ("features",), "Expected `features`, or `instances`; neither came."
                )
                raise InvalidInput(*_unknown_fields(body), problem)
            return [(body["features"], ("features",))]
        if "features" in body:
            detail = "Expected either `features` or `instances`; both came. Send one."
            raise InvalidInput(*_unknown_fields(body), Problem("unknown_field", ("features",), detail))
        instances = body["instances"]
        path = ("instances",)
        if not isinstance(instances, list):
            detail = f"`instances` must be a list of 1 to {MAX_INSTANCES} instances; got {clipped(instances)}."
            raise InvalidInput(Problem("wrong_shape", path, detail))
        if not instances:
            raise InvalidInput(Problem("no_rows", path, f"Expected 1 to {MAX_INSTANCES} instances; none came."))
        if len(instances) > MAX_INSTANCES:
            detail = f"Expected at most {MAX_INSTANCES} instances a request; got {len(instances)}. Split them."
            raise InvalidInput(Problem("too_many_rows", path, detail))
        return [(features, (*path, index)) for index, features in enumerate(instances)]

    def _row(self, features: object, path: tuple[str | int, ...]) -> Row:
        """The row of one instance, with problems of a list found by position, as JSON Pointer wants it."""
        try:
            return self._signature.row(features, path)
        except InvalidInput as refusal:
            if not isinstance(features, list):
                raise
            names = self._signature.names
            raise InvalidInput(
                *(
                    problem
                    if problem.path == path
                    else Problem(problem.code, (*path, names.index(str(problem.path[-1]))), problem.detail)
                    for problem in refusal.problems
                )
            ) from None


def _unknown_fields(body: dict[str, Any]) -> Iterator[Problem]:
    for name in body:
        if name not in _FIELDS:
            detail = f"`{clipped(name)}` is not a field here. Expected `features` or `instances`."
            yield Problem("unknown_field", (name,), detail)


_readers: dict[str, InstanceReader] = {}
MAX_READERS = 256


def reader(signature: Signature) -> InstanceReader:
    """The reader of a signature, compiled at its first use."""
    known = _readers.get(signature.digest)
    if known is None:
        if len(_readers) >= MAX_READERS:
            _readers.clear()
        known = _readers[signature.digest] = InstanceReader(signature)
    return known
