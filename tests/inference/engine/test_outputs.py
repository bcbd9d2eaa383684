"""What scores become."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from inference.engine.outputs import NotFinite, count_labels, encode, values
from inference.engine.signature import Output

TWO = Output(kind="classification", labels=("normal", "fault"))
FLOW = Output(kind="regression", unit="l/s")
ODD = Output(kind="anomaly")


def test_the_label_is_the_one_with_the_highest_score() -> None:
    texts = encode(TWO, np.array([[0.92, 0.08], [0.25, 0.75]], dtype=np.float32))

    assert [json.loads(text) for text in texts] == [
        {"label": "normal", "scores": {"normal": 0.92, "fault": 0.08}},
        {"label": "fault", "scores": {"normal": 0.25, "fault": 0.75}},
    ]


def test_the_first_of_two_equal_labels_wins() -> None:
    (text,) = encode(TWO, np.array([[0.5, 0.5]]))

    assert json.loads(text)["label"] == "normal"


def test_the_label_is_chosen_before_the_scores_are_rounded() -> None:
    (text,) = encode(TWO, np.array([[0.50000000, 0.50000001]]))

    assert json.loads(text) == {"label": "fault", "scores": {"normal": 0.5, "fault": 0.5}}


def test_scores_keep_seven_decimals_and_values_seven_digits() -> None:
    assert encode(TWO, np.array([[1 / 3, 2 / 3]])) == [
        '{"label":"fault","scores":{"normal":0.3333333,"fault":0.6666667}}'
    ]
    assert encode(FLOW, np.array([101.23456789, 1e-9, 1.5e20])) == [
        '{"value":101.2346}',
        '{"value":1e-09}',
        '{"value":1.5e+20}',
    ]


def test_an_anomaly_lies_above_zero() -> None:
    texts = encode(ODD, np.array([0.25, 0.0, -0.125], dtype=np.float32))

    assert [json.loads(text) for text in texts] == [
        {"score": 0.25, "label": "anomaly"},
        {"score": 0.0, "label": "normal"},
        {"score": -0.125, "label": "normal"},
    ]


def test_a_negative_zero_is_written_as_zero() -> None:
    assert encode(ODD, np.array([-0.0])) == ['{"score":0.0,"label":"normal"}']
    assert encode(FLOW, np.array([-0.0])) == ['{"value":0}']
    assert '"normal":0.0,' in encode(TWO, np.array([[-1e-12, 1.0]]))[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("output", [TWO, FLOW, ODD])
def test_a_number_that_is_not_finite_is_never_written(output: Output, bad: float) -> None:
    scores = np.zeros((3, 2) if output is TWO else 3)
    scores[1] = bad

    with pytest.raises(NotFinite):
        encode(output, scores)


def test_finite_values_whose_sum_is_not_finite_are_written() -> None:
    assert encode(FLOW, np.array([3e38, 3e38], dtype=np.float32)) == ['{"value":3e+38}'] * 2


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=2, max_size=5, unique=True),
    st.data(),
)
def test_any_label_comes_out_as_it_is(labels: list[str], data: st.DataObject) -> None:
    output = Output(kind="classification", labels=tuple(labels))
    floats = st.floats(0, 1, width=32)
    scores = data.draw(arrays.arrays(np.float32, (data.draw(st.integers(1, 5)), len(labels)), elements=floats))

    texts = encode(output, scores)
    assert count_labels(output, texts) == Counter(json.loads(text)["label"] for text in texts)
    for text, row in zip(texts, scores.tolist(), strict=True):
        answer = json.loads(text)
        assert answer["label"] == labels[row.index(max(row))]
        assert list(answer["scores"]) == labels
        assert list(answer["scores"].values()) == pytest.approx(row, abs=5.1e-8)


@given(arrays.arrays(np.float32, st.integers(1, 70), elements=st.floats(-1, 1, width=32)))
def test_a_row_is_written_the_same_alone_and_among_others(scores: np.ndarray) -> None:
    pairs = np.stack([scores, 1 - scores], axis=1)

    assert encode(TWO, pairs) == [encode(TWO, pairs[at : at + 1])[0] for at in range(len(pairs))]
    assert encode(ODD, scores) == [encode(ODD, scores[at : at + 1])[0] for at in range(len(scores))]


def test_labels_that_begin_alike_are_told_apart() -> None:
    output = Output(kind="classification", labels=("a", "a longer one, with %s", "a longer one, with %d"))
    texts = encode(output, np.array([[0.6, 0.2, 0.2], [0.1, 0.5, 0.4], [0.1, 0.4, 0.5], [0.2, 0.2, 0.6]]))

    assert count_labels(output, texts) == dict(zip(output.labels, (1, 1, 2), strict=True))


@given(arrays.arrays(np.float32, st.integers(0, 70), elements=st.floats(-1, 1, width=32)))
def test_anomalies_are_counted_and_values_read(scores: np.ndarray) -> None:
    odd, flow = encode(ODD, scores), encode(FLOW, scores)

    assert count_labels(ODD, odd) == Counter(json.loads(text)["label"] for text in odd)
    assert values(FLOW, flow) == [json.loads(text)["value"] for text in flow]
    assert values(ODD, odd) == []
    assert count_labels(FLOW, flow) == {}
