"""Results of batch jobs over REST: in pages, as a file, and when there are none."""

import httpx
import pytest

from jobs.batch import work as batch
from jobs.batch.reading import claim_unread, read
from jobs.models import BatchJob
from jobs.services import batch_job_expire
from tests.jobs.api.batches import BATCH, upload
from tests.jobs.api.refusals import checked

pytestmark = pytest.mark.usefixtures("small_chunks_in_an_empty_storage")


@pytest.mark.parametrize("place", ["results", "download"])
def test_of_what_is_not_over_there_are_no_results(jobs: httpx.Client, place: str) -> None:
    """B61"""
    job = upload(jobs)["id"]
    checked(jobs.get(f"{BATCH}{job}/{place}"), 409, "job_state")
    jobs.post(f"{BATCH}{job}/cancel")
    checked(jobs.get(f"{BATCH}{job}/{place}"), 409, "job_state")


@pytest.mark.parametrize("place", ["results", "download"])
def test_results_that_are_gone_are_not_there_any_more(jobs: httpx.Client, place: str) -> None:
    job = upload(jobs)["id"]
    batch.work()
    assert jobs.get(f"{BATCH}{job}/{place}").status_code == 200
    batch_job_expire(job=BatchJob.objects.get())
    assert "expired" in checked(jobs.get(f"{BATCH}{job}/{place}"), 409, "job_state")["detail"]
    assert jobs.get(f"{BATCH}{job}/").json()["expired_at"] is not None


def test_results_come_in_pages_and_by_status(jobs: httpx.Client) -> None:
    rows = [f"{number},1" if number % 3 else "x,1" for number in range(1, 11)]
    place = f"{BATCH}{upload(jobs, chr(10).join(['a,b', *rows]).encode())['id']}/results"
    batch.work()
    seen, after = [], 0
    while after is not None:
        page = jobs.get(place, params={"after": after, "limit": 4}).json()
        seen += [one["row"] for one in page["results"]]
        after = page["next"]
    assert seen == list(range(1, 11))
    failed = jobs.get(place, params={"status": "error"}).json()["results"]
    assert [(one["row"], one["error"]) for one in failed] == [(3, "wrong_type"), (6, "wrong_type"), (9, "wrong_type")]
    assert failed == jobs.get(place, params={"code": "wrong_type"}).json()["results"]
    assert jobs.get(place, params={"code": "poison"}).json()["results"] == []
    assert len(jobs.get(place, params={"status": "ok"}).json()["results"]) == 7
    checked(jobs.get(place, params={"status": "open"}), 400, "bad_pagination")


def test_rows_that_were_not_done_say_so(jobs: httpx.Client) -> None:
    job = upload(jobs)["id"]
    lease = claim_unread()
    assert lease is not None
    read(lease)
    jobs.post(f"{BATCH}{job}/cancel")
    lines = jobs.get(f"{BATCH}{job}/download").text.splitlines()
    assert [line.split(",")[3] for line in lines[1:]] == ["open"] * 3
    assert jobs.get(f"{BATCH}{job}/results").json()["results"] == []
