"""Values written as texts, as CSV knows nothing else: read as what JSON would have said, and written again."""

import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from inference.engine.inputs import Input
from inference.engine.signature import Signature

_JSON = (bool, int, float, list, dict)


def value(one: Input, cell: str) -> Any:
    """A cell as JSON would have said it: a number, a text, or None. What is no number stays a text."""
    if not cell:
        return None
    if one.dtype == "string" or "_" in cell or not cell.isascii():
        return cell
    for number in (int, float):
        try:
            return number(cell)
        except ValueError:
            pass
    return cell


def typed(signature: Signature, name: str, came: str | None) -> Callable[[Any], Any]:
    """What makes a value of another format of a column's cells: texts that are numbers become numbers.

    Args:
        came: the format the cells come from; None where that is not known, which is taken as CSV.
    """
    one = next((one for one in signature.inputs if one.name == name), None)
    if one is None or came not in (None, "csv"):
        return lambda cell: cell
    return partial(_typed, one)


def _typed(one: Input, cell: Any) -> Any:
    said = value(one, cell) if isinstance(cell, str) else cell
    return cell if isinstance(said, float) and not math.isfinite(said) else said


def text(value: object) -> str:
    """A value of another format as the text of a cell."""
    if value is None:
        return ""
    if not isinstance(value, _JSON):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        # Lists a thousand deep, of a line that was refused for it.
        return ""
