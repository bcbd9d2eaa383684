"""A row that can't be predicted, and why. One such row never stands in the way of the others."""

from collections.abc import Mapping
from dataclasses import dataclass

from inference.engine.errors import InvalidInput
from inference.engine.signature import Row, Signature


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is wrong with a row: the code of its first problem, and its problems as sentences."""

    code: str
    detail: str


def checked(values: list[object] | Mapping[str, object], signature: Signature) -> Row | Refusal:
    """The row of plain values, in signature order or by name, or every problem found in them."""
    try:
        return signature.row(values)
    except InvalidInput as error:
        return Refusal(error.code, str(error))
