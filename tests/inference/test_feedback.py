"""Feedback beside the ORM, as the express lane and the sockets store it."""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from hypothesis import given
from hypothesis import strategies as st

from inference import database as database_module
from inference import ids
from inference.callers import Caller
from inference.database import Database
from inference.engine.errors import ForetellError, InvalidInput
from inference.errors import NotFound
from inference.feedback import Told, feedback_store
from inference.models import Device, Endpoint, Feedback, Prediction, Source, Version
from inference.truth import Truth, truth_read

OUTPUTS: dict[str, dict[str, Any]] = {
    "flow": {"kind": "regression", "unit": "l/s"},
    "fault": {"kind": "classification", "labels": ["normal", "fault"]},
    "odd": {"kind": "anomaly"},
}
Predict = Callable[..., Awaitable[uuid.UUID]]


def caller(device: Device | None = None, endpoints: frozenset[str] | None = None) -> Caller:
    """A device's credential, or the service `lab`'s."""
    scopes = frozenset({"feedback"})
    if device is None:
        return Caller(1, None, None, "lab", scopes, endpoints, None)
    return Caller(2, device.pk, device.name, "", scopes, endpoints, None)


@pytest.fixture
def predict(clean_tables: None) -> Predict:
    """Store a prediction of an endpoint, `flow`, `fault` or `odd`."""
    versions = {}
    for slug, output in OUTPUTS.items():
        endpoint = Endpoint.objects.create(slug=slug, name=slug, folder=slug, signature={}, signature_digest="-")
        versions[slug] = Version.objects.create(
            endpoint=endpoint,
            algorithm="line",
            major=1,
            minor=0,
            patch=0,
            digest=f"sha256:{slug}",
            manifest={"signature": {"inputs": [], "output": output}},
        )

    def predict(slug: str = "flow", device: Device | None = None) -> uuid.UUID:
        made = Prediction.objects.create(
            id=ids.prediction_id(),
            endpoint=versions[slug].endpoint,
            version=versions[slug],
            device=device,
            source=Source.STREAM,
            request_id=ids.prediction_id(),
            features=[],
            output={},
        )
        return uuid.UUID(str(made.pk))

    return sync_to_async(predict)


@pytest.fixture
def pump(clean_tables: None) -> Device:
    return Device.objects.create(name="pump")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a turn at the database gets it, however slowly this machine commits."""
    monkeypatch.setattr(database_module, "TURN_TIMEOUT_S", 60.0)


def rows() -> list[tuple[int, object, str]]:
    return list(Feedback.objects.order_by("source", "revision").values_list("revision", "value", "source"))


stored_rows = sync_to_async(rows)


async def store(database: Database, *items: Truth, by: Caller | None = None) -> list[Told | ForetellError]:
    return await feedback_store(database=database, items=items, caller=by or caller())


async def test_items_are_judged_in_order_and_one_by_one(predict: Predict, database: Database) -> None:
    flow, fault, odd = [await predict(slug) for slug in ("flow", "fault", "odd")]
    unknown = uuid.UUID(ids.prediction_id())
    outcomes = await store(
        database,
        Truth(flow, 1.5),
        Truth(unknown, 1),
        Truth(fault, "fault"),
        Truth(flow, 1.5),
        Truth(fault, "leak"),
        Truth(flow, 2),
        Truth(odd, "anomaly"),
        Truth(fault, 1),
        Truth(flow, "fault"),
        Truth(odd, 0.5),
    )
    shown = [(one.revision, one.duplicate) if isinstance(one, Told) else one.code for one in outcomes]
    assert shown == [
        (1, False),
        "not_found",
        (1, False),
        (1, True),
        "bad_label",
        (2, False),
        (1, False),
        "bad_label",
        "bad_label",
        "bad_label",
    ]
    assert str(outcomes[4]) == "`value` expects one of normal, fault; got the text leak."
    kept = await stored_rows()
    assert sorted(kept, key=str) == sorted(
        [(1, value, "service:lab") for value in (1.5, "fault", "anomaly")] + [(2, 2, "service:lab")], key=str
    )


@pytest.mark.usefixtures("patient")
async def test_corrections_at_the_same_moment_get_revisions_of_their_own(predict: Predict, database: Database) -> None:
    flow = await predict()
    outcomes = await asyncio.gather(
        *(store(database, Truth(flow, value), Truth(flow, -value - 1)) for value in range(20))
    )
    told = [one for some in outcomes for one in some if isinstance(one, Told)]
    assert sorted(one.revision for one in told) == list(range(1, 41))
    for first, second in outcomes:
        # What one call says is said in one go.
        assert isinstance(first, Told)
        assert isinstance(second, Told)
        assert second.revision == first.revision + 1


@pytest.mark.usefixtures("patient")
async def test_bulks_over_the_same_predictions_in_any_order_do_not_lock_each_other_out(
    predict: Predict, database: Database
) -> None:
    predictions = [await predict() for _ in range(60)]
    calls = [[Truth(one, number) for one in (predictions if number % 2 else predictions[::-1])] for number in range(8)]
    outcomes = await asyncio.gather(*(store(database, *items) for items in calls))
    assert all(isinstance(one, Told) and not one.duplicate for some in outcomes for one in some)
    assert await sync_to_async(Feedback.objects.count)() == 480


async def test_running_it_twice_has_the_effect_of_once(predict: Predict, database: Database) -> None:
    """After a connection was lost at the commit, the same statements are run again."""
    flow = await predict()
    items = [Truth(flow, 1), Truth(flow, 2), Truth(flow, 2)]
    first = await store(database, *items)
    between = await store(database, Truth(flow, 3))
    assert await store(database, *items[:2]) == first[:2]
    assert between == [Told(flow, 3, False)]
    assert [one[:2] for one in await stored_rows()] == [(1, 1), (2, 2), (3, 3)]


async def test_a_device_speaks_of_its_own_predictions_only(predict: Predict, pump: Device, database: Database) -> None:
    mine, other = await predict(device=pump), await predict()
    mine_told, other_told = await store(database, Truth(mine, 1), Truth(other, 1), by=caller(pump))
    assert mine_told == Told(mine, 1, False)
    assert isinstance(other_told, NotFound)
    assert await stored_rows() == [(1, 1, "device:pump")]


async def test_endpoints_outside_the_credential_s_are_not_there(predict: Predict, database: Database) -> None:
    flow, fault = await predict("flow"), await predict("fault")
    outcomes = await store(database, Truth(flow, 1), Truth(fault, "fault"), by=caller(endpoints=frozenset({"fault"})))
    assert [isinstance(one, NotFound) for one in outcomes] == [True, False]
    none = await store(database, Truth(fault, "fault"), by=caller(endpoints=frozenset()))
    assert isinstance(none[0], NotFound)


async def test_five_hundred_corrections_of_one_prediction_are_one_round_trip(
    predict: Predict, database: Database
) -> None:
    flow = await predict()
    outcomes = await store(database, *(Truth(flow, value) for value in range(500)))
    assert [one.revision for one in outcomes if isinstance(one, Told)] == list(range(1, 501))


ID = "0198c0de-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"value": 1}, "wrong_type"),
        ({"prediction": 5, "value": 1}, "wrong_type"),
        ({"prediction": None, "value": 1}, "wrong_type"),
        ({"prediction": ID}, "bad_label"),
        ({"prediction": ID, "value": None}, "bad_label"),
        ({"prediction": ID, "value": True}, "bad_label"),
        ({"prediction": ID, "value": ["fault"]}, "bad_label"),
        ({"prediction": ID, "value": b"fault"}, "bad_label"),
        ({"prediction": ID, "value": "x" * 257}, "bad_label"),
        ({"prediction": ID, "value": "\x00"}, "bad_label"),
        ({"prediction": ID, "value": "\ud800"}, "bad_label"),
        ({"prediction": ID, "value": float("inf")}, "not_finite"),
        ({"prediction": ID, "value": float("nan")}, "not_finite"),
        ({"prediction": ID, "value": 10**400}, "not_finite"),
        ({"prediction": ID, "value": 1, "ts": "yesterday"}, "bad_timestamp"),
        ({"prediction": ID, "value": 1, "ts": True}, "bad_timestamp"),
        ({"prediction": "x", "value": 1}, "not_found"),
    ],
)
def test_what_nobody_could_mean_has_its_code(said: dict[str, Any], code: str) -> None:
    with pytest.raises((InvalidInput, NotFound)) as refusal:
        truth_read(said)
    assert refusal.value.code == code


@given(
    st.dictionaries(
        st.sampled_from(["prediction", "value", "ts"]),
        st.text() | st.floats() | st.integers() | st.none() | st.booleans() | st.just([]),
    )
)
def test_whatever_comes_is_taken_or_refused_by_name(said: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidInput, NotFound):
        assert isinstance(truth_read(said), Truth)
