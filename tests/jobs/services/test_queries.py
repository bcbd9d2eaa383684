"""Query jobs as they are asked for."""

import datetime

import pytest

from inference.engine.errors import InvalidInput
from inference.models import Endpoint
from jobs.models import BatchJob
from jobs.replay.query import MOST_ROWS, Selection
from jobs.services import batch_query_create

NOON = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


@pytest.mark.parametrize(
    ("since", "limit", "says"),
    [
        (NOON, 1, "must lie before `until`"),
        (NOON.replace(year=1969), 1, "`since` is 1970 or later"),
        (NOON - HOUR, 0, "`limit` is 1 to 1,000,000; it is 0"),
        (NOON - HOUR, MOST_ROWS + 1, "it is 1,000,001"),
    ],
)
def test_what_is_out_of_range_is_said(flow: Endpoint, since: datetime.datetime, limit: int, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        batch_query_create(
            endpoint=flow, version=None, selection=Selection(since=since, until=NOON, limit=limit), actor="ann"
        )

    assert [says in problem.detail for problem in refused.value.problems] == [True]
    assert not BatchJob.objects.exists()


def test_a_device_that_is_not_there_is_asked_for_like_any_other(flow: Endpoint) -> None:
    selection = Selection(since=NOON - HOUR, until=NOON, device="nobody")

    job = batch_query_create(endpoint=flow, version=None, selection=selection, actor="ann")

    assert (job.state, job.selection["device"]) == ("queued", "nobody")
