"""What a person says of a prediction, and what the database refuses to forget."""

import datetime

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.utils import IntegrityError

from inference import ids
from inference.engine.errors import InvalidInput
from inference.errors import NotFound
from inference.models import Endpoint, Feedback, Prediction, Source
from inference.selectors import feedback_of
from inference.services import feedback_give

AT = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)


@pytest.fixture
def prediction(flow: Endpoint) -> Prediction:
    """A stored prediction of `flow`, a regression."""
    return Prediction.objects.create(
        id=ids.prediction_id(),
        endpoint=flow,
        version=flow.versions.get(),
        source=Source.REST,
        request_id=ids.prediction_id(),
        features=[1.5, 2.25],
        output={"value": 3.75},
    )


@pytest.fixture
def ann(db):
    return get_user_model().objects.create_user("ann")


def test_the_same_again_is_a_duplicate_and_another_value_the_next_revision(prediction, ann) -> None:
    told = [feedback_give(prediction=prediction, value=value, user=ann) for value in (3.5, 3.5, 4, 4.0, 3.5)]
    assert [(one.revision, one.duplicate) for one in told] == [(1, False), (1, True), (2, False), (2, True), (3, False)]
    assert [(one.revision, one.value, one.source) for one in feedback_of(prediction=prediction)] == [
        (1, 3.5, "user:ann"),
        (2, 4, "user:ann"),
        (3, 3.5, "user:ann"),
    ]


def test_each_source_has_revisions_of_its_own(prediction, ann) -> None:
    bob = get_user_model().objects.create_user("bob")
    told = [feedback_give(prediction=prediction, value=value, user=user) for value, user in ((1, ann), (2, bob))]
    assert [one.revision for one in told] == [1, 1]


def test_a_row_says_what_of_and_when(prediction, ann) -> None:
    feedback_give(prediction=prediction, value=1, user=ann, device_time=AT)
    stored = Feedback.objects.get()
    assert (str(stored.prediction_id), stored.endpoint_id) == (prediction.pk, prediction.endpoint_id)
    assert stored.device_time == AT
    assert abs(stored.received_at - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=1)


@pytest.mark.parametrize(("value", "code"), [("leak", "bad_label"), (float("nan"), "not_finite"), (True, "bad_label")])
def test_a_value_that_can_not_be_true_is_refused(prediction, ann, value, code) -> None:
    with pytest.raises(InvalidInput) as refusal:
        feedback_give(prediction=prediction, value=value, user=ann)
    assert refusal.value.code == code
    assert not Feedback.objects.exists()


def test_feedback_on_a_dropped_prediction_is_not_found(prediction, ann) -> None:
    gone = Prediction(id=ids.prediction_id(), endpoint=prediction.endpoint, version=prediction.version)
    with pytest.raises(NotFound):
        feedback_give(prediction=gone, value=1, user=ann)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE inference_feedback SET value = '2'",
        "UPDATE inference_feedback SET value = '2' WHERE false",
        "DELETE FROM inference_feedback",
        "TRUNCATE inference_feedback",
    ],
)
def test_the_database_refuses_to_change_what_was_said(prediction, ann, sql) -> None:
    feedback_give(prediction=prediction, value=1, user=ann)
    connection.check_constraints()  # Postgres truncates no table that still has some to check
    with pytest.raises(IntegrityError, match="add a revision"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert Feedback.objects.get().value == 1
