"""What a model's scores become: one JSON text a row, by one rule for labels and one for digits."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from inference.engine.signature import Output

Scores = npt.NDArray[np.floating[Any]]

DIGITS = 7
"""Digits kept of scores (after the point) and of values (significant): a float32 holds no more."""
_SCALE = 10.0**DIGITS
_JSON = msgspec.json.Encoder()
_SCORES = ',"scores":'
"""What follows the label; no label holds it, since its quotes would be escaped."""


class NotFinite(ValueError):
    """A model answered NaN or infinity, which JSON can't hold."""


def encode(output: Output, scores: Scores) -> list[str]:
    """The JSON text of each row's answer.

    - classification, scores [n, labels] in the order of the labels, each in [0, 1]:
      `{"label":…,"scores":{…}}`. The label is the one with the highest unrounded score, the first of several.
    - regression, values [n]: `{"value":…}` in the output's unit.
    - anomaly, scores [n], higher is more anomalous: `{"score":…,"label":"anomaly"}` above 0, else `"normal"`.

    Raises:
        NotFinite: a score is NaN or infinite.
    """
    # The sum of finite scores may overflow to infinity, so only a suspicion is looked at closely.
    if not math.isfinite(scores.sum(dtype=np.float64)) and not np.isfinite(scores).all():
        raise NotFinite("The model answered with a number that is not finite.")
    return _ENCODERS[output.kind](output, scores)


def label_of(scores: Scores) -> npt.NDArray[np.intp]:
    """The position of each row's label: the highest unrounded score, the first of several."""
    return np.asarray(scores.argmax(axis=1))


def _classification(output: Output, scores: Scores) -> list[str]:
    templates = _templates(output)
    labels = label_of(scores).tolist()
    # All numbers are written by one call and cut apart again: half the time of formatting each of them.
    numbers = iter(_JSON.encode(_rounded(scores).ravel().tolist()).decode()[1:-1].split(","))
    rows = zip(*[numbers] * len(output.labels), strict=True)
    return [templates[label] % row for label, row in zip(labels, rows, strict=True)]


def _regression(output: Output, scores: Scores) -> list[str]:
    return [f'{{"value":{value:.7g}}}' for value in (scores.astype(np.float64) + 0.0).tolist()]


def _anomaly(output: Output, scores: Scores) -> list[str]:
    labels = ("normal", "anomaly")
    return [
        f'{{"score":{score!r},"label":"{labels[above]}"}}'
        for score, above in zip(_rounded(scores).tolist(), (scores > 0).tolist(), strict=True)
    ]


def _rounded(scores: Scores) -> npt.NDArray[np.float64]:
    # + 0.0 turns -0.0 into 0.0: a jsonb column knows no negative zero, and both must read the same.
    return np.rint(scores.astype(np.float64) * _SCALE) / _SCALE + 0.0


@lru_cache(maxsize=256)
def _templates(output: Output) -> tuple[str, ...]:
    """A %-template of the whole answer for each label."""
    names = [msgspec.json.encode(label).decode().replace("%", "%%") for label in output.labels]
    scores = ",".join(f"{name}:%s" for name in names)
    return tuple(f'{{"label":{name},"scores":{{{scores}}}}}' for name in names)


def count_labels(output: Output, texts: Sequence[str]) -> dict[str, int]:
    """How often each label was answered; a regression has none.

    Args:
        texts: answers as `encode` writes them. They are told apart by a few characters, without being parsed: this
            runs for every prediction.
    """
    if output.kind == "regression":
        return {}
    known, cut = _marks(output)
    return {known[mark]: n for mark, n in Counter(map(cut, texts)).items()}


def values(output: Output, texts: Sequence[str]) -> list[float]:
    """The values of a regression's answers, as `encode` wrote them; nothing for other kinds."""
    return [float(text[9:-1]) for text in texts] if output.kind == "regression" else []


@lru_cache(maxsize=256)
def _marks(output: Output) -> tuple[dict[str, str], Callable[[str], str]]:
    """What tells the labels apart in an answer's text, and how to cut it out."""
    if output.kind == "anomaly":
        return {'ly"}': "anomaly", 'al"}': "normal"}, itemgetter(slice(-4, None))
    heads = [template.partition(_SCORES)[0].replace("%%", "%") for template in _templates(output)]
    for length in range(1, min(map(len, heads)) + 1):
        if len({head[:length] for head in heads}) == len(heads):
            return {head[:length]: label for head, label in zip(heads, output.labels, strict=True)}, itemgetter(
                slice(length)
            )
    return dict(zip(heads, output.labels, strict=True)), lambda text: text.partition(_SCORES)[0]


_ENCODERS: dict[str, Callable[[Output, Scores], list[str]]] = {
    "classification": _classification,
    "regression": _regression,
    "anomaly": _anomaly,
}
