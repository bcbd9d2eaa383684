"""Selections: which stored predictions, and the text they are frozen into."""

import datetime
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest

from inference.engine.signature import Signature
from inference.errors import UnknownVersion
from inference.models import Device, Endpoint, Prediction
from jobs.errors import NoRows
from jobs.replay.query import Frozen, Selection, carried, freeze
from tests.inference import tiny
from tests.jobs.answered import store

UTC = datetime.UTC
HOUR = datetime.timedelta(hours=1)
NOON = datetime.datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 2 * HOUR


def frozen(flow: Endpoint, *, signature: Signature | None = None, **said: Any) -> tuple[Frozen, list[dict[str, Any]]]:
    """What a selection becomes, and its lines."""
    selection = Selection(**{"since": NOON - HOUR, "until": NOON + 3 * HOUR, **said})
    text = io.BytesIO()
    made = freeze(endpoint=flow, selection=selection, signature=signature or tiny.signature(), into=text)
    assert (made.bytes, made.sha256) == (len(text.getvalue()), hashlib.sha256(text.getvalue()).hexdigest())
    lines = [msgspec.json.decode(line) for line in text.getvalue().splitlines()]
    assert made.rows == len(lines)
    return made, lines


def test_rows_are_written_with_what_was_answered_then(flow: Endpoint) -> None:
    pump = Device.objects.create(name="pump-7")
    first, second = store(flow, [[1, 2], [3.5, -4]], at=NOON, device=pump)
    Prediction.objects.filter(pk=second.pk).update(output=None, error="model_error", device=None)

    made, lines = frozen(flow)

    assert made.rows == 2
    assert lines == [
        {
            "a": 1,
            "b": 2,
            "then_id": str(first.pk),
            "then_version": "line-1.0.0",
            "then_error": None,
            "then_device": "pump-7",
            "then_time": f"{NOON:%Y-%m-%dT%H:%M}:00.000+00:00",
            "then_value": 3.0,
        },
        {
            "a": 3.5,
            "b": -4,
            "then_id": str(second.pk),
            "then_version": "line-1.0.0",
            "then_error": "model_error",
            "then_device": None,
            "then_time": f"{NOON:%Y-%m-%dT%H:%M}:00.001+00:00",
            "then_value": None,
        },
    ]


def test_time_device_and_version_narrow_it(flow: Endpoint) -> None:
    pump, fan = Device.objects.create(name="pump-7"), Device.objects.create(name="fan-1")
    other = flow.versions.get()
    other.pk, other.patch, other.digest = None, 1, "sha256:" + "1" * 64
    other.save()
    store(flow, [[1, 0]], at=NOON, device=pump)
    store(flow, [[2, 0]], at=NOON + HOUR, device=fan)
    store(flow, [[3, 0]], at=NOON + HOUR * 1.5, device=pump, version=other)

    def selected(**said: Any) -> list[float]:
        return [line["a"] for line in frozen(flow, **said)[1]]

    assert selected() == [1, 2, 3]
    assert selected(until=NOON + HOUR) == [1]
    assert selected(since=NOON + HOUR, device="fan-1") == [2]
    assert selected(device="pump-7") == [1, 3]
    assert selected(version="line-1.0.1") == [3]
    assert selected(version="line-1.0.0", device="pump-7") == [1]


def test_the_limit_takes_the_latest_rows_in_their_order(flow: Endpoint) -> None:
    store(flow, [[n, 0] for n in range(9)], at=NOON)

    _, lines = frozen(flow, limit=4)

    assert [line["a"] for line in lines] == [5, 6, 7, 8]


def test_rows_of_other_endpoints_are_left_alone(flow: Endpoint) -> None:
    store(flow, [[1, 2]], at=NOON)
    Prediction.objects.update(endpoint=flow.pk + 1)

    with pytest.raises(NoRows):
        frozen(flow)


@pytest.fixture
def open_transaction(dsn: str) -> Iterator[None]:
    """A transaction that has begun to write and is not over."""
    with psycopg.connect(dsn) as other:
        other.execute("SELECT pg_current_xact_id()")
        yield
        other.rollback()


def test_rows_that_are_not_settled_are_left_out(flow: Endpoint, open_transaction: None) -> None:
    # They came after a transaction began that may still write rows of the same time.
    store(flow, [[1, 2]], at=NOON, settled=False)

    with pytest.raises(NoRows):
        frozen(flow)


def test_more_rows_than_fit_in_a_block_are_all_there(flow: Endpoint) -> None:
    store(flow, [[n % 100, 0] for n in range(4500)], at=NOON)
    checks = []
    text = io.BytesIO()
    selection = Selection(since=NOON, until=NOON + HOUR)

    made = freeze(
        endpoint=flow, selection=selection, signature=tiny.signature(), into=text, check=lambda: checks.append(1)
    )

    assert made.rows == 4500
    assert len(checks) == 3
    ids = [msgspec.json.decode(line)["then_id"] for line in text.getvalue().splitlines()]
    assert ids == sorted(ids)


def test_inputs_go_by_name_to_a_version_of_another_signature(flow: Endpoint) -> None:
    store(flow, [[1, 2]], at=NOON)

    _, lines = frozen(flow, signature=tiny.signature("bc"))

    assert [line.keys() & set("abc") for line in lines] == [{"b"}]
    assert lines[0]["b"] == 2


def test_carried_columns_give_way_to_inputs_of_the_same_name() -> None:
    inputs = [{"name": name, "dtype": "float"} for name in ("then_id", "_then_label")]
    output = {"kind": "classification", "labels": ["no", "yes"]}

    names = carried(Signature.from_dict({"inputs": inputs, "output": output}))

    assert names[0] == "__then_id"
    assert names[-3:] == ("__then_label", "__then_score_no", "__then_score_yes")


def test_a_version_that_is_not_there_can_not_be_selected(flow: Endpoint) -> None:
    with pytest.raises(UnknownVersion):
        frozen(flow, version="x-1.0.0")


def test_a_device_that_is_not_there_looks_like_one_that_sent_nothing(flow: Endpoint) -> None:
    store(flow, [[1, 2]], at=NOON)
    Device.objects.create(name="pump-7")
    said = set()
    for name in ("pump-7", "nobody"):
        with pytest.raises(NoRows, match="of this device") as refused:
            frozen(flow, device=name)
        said.add(str(refused.value))

    assert len(said) == 1


def test_a_selection_is_read_as_it_was_written() -> None:
    selection = Selection(since=NOON, until=NOON + HOUR, device="pump-7", limit=7)

    assert Selection.from_dict(selection.to_dict()) == selection
    assert "version" not in selection.to_dict()
