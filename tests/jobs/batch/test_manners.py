"""Batch work beside live predictions: results are stored in small pieces, and are the same."""

import datetime
import uuid
from types import SimpleNamespace

import pytest
from django.utils import timezone

from inference import ids
from inference.models import Endpoint, Prediction
from inference.selectors import predictions_live
from jobs.batch import chunks
from jobs.batch import work as batch
from tests.jobs.batch.scene import line, said
from tests.jobs.orders import order, results


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the worker paused between pieces, which are cut in the middle of lines."""
    paused: list[float] = []
    monkeypatch.setattr(chunks, "_PIECE_CHARACTERS", 50)
    monkeypatch.setattr(chunks, "time", SimpleNamespace(sleep=paused.append))
    # However long the model takes to load.
    monkeypatch.setattr(chunks, "_LIVE_S", 100.0)
    return paused


def predict(flow: Endpoint, ago: datetime.timedelta) -> None:
    """Store a prediction of some time ago."""
    version = flow.versions.get()
    at = ids.floor(timezone.now() - ago)
    Prediction.objects.create(
        id=at, endpoint=flow, version=version, source=1, request_id=uuid.uuid4(), features=[1.0, 2.0]
    )


def test_a_prediction_is_live_for_a_moment(flow: Endpoint) -> None:
    assert not predictions_live(within_s=5)
    predict(flow, datetime.timedelta(seconds=60))
    assert not predictions_live(within_s=5)
    assert predictions_live(within_s=120)


def test_beside_live_predictions_results_are_stored_in_pieces(flow: Endpoint, pauses: list[float]) -> None:
    predict(flow, datetime.timedelta())
    job = order(flow, map(line, range(10)))
    batch.work()
    assert results(job) == said(10)
    assert len(pauses) > 5


def test_alone_results_are_stored_at_once(flow: Endpoint, pauses: list[float]) -> None:
    job = order(flow, map(line, range(10)))
    batch.work()
    assert results(job) == said(10)
    assert pauses == []
