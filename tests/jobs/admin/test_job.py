"""The page of one batch job."""

import asyncio

import pytest
from django.contrib.messages import get_messages

from jobs.batch import reading
from jobs.batch.work import work
from jobs.models import BatchJob
from jobs.services import batch_job_expire
from tests.jobs.orders import order

ROWS = ["1,2", "x,3", "4,5", "500,6", "y,8"]


@pytest.fixture
def job(flow, monkeypatch) -> BatchJob:
    """Five rows of which three can't be answered, done."""
    monkeypatch.setattr(reading, "CHUNK_ROWS", 2)
    job = order(flow, ROWS)
    work()
    return job


def downloaded(browser, job: BatchJob, format: str):
    """A download, read to its end, and its headers."""
    answer = browser.get(f"/jobs/{job.pk}/download/{format}/")

    async def read() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return asyncio.run(read()), answer.headers


def test_a_job_that_is_done_shows_its_figures_and_its_errors(browser, job):
    answer = browser.get(f"/jobs/{job.pk}/")
    page = answer.content.decode()
    assert "5 rows." in page
    assert answer.context["codes"] == [("out_of_range", "1"), ("wrong_type", "2")]
    assert [(row.row, row.error) for row in answer.context["errors"]] == [
        (2, "wrong_type"),
        (4, "out_of_range"),
        (5, "wrong_type"),
    ]
    assert f"/jobs/{job.pk}/download/csv/" in page
    assert "/endpoints/flow/versions/line-1.0.0/" in page


def test_errors_are_paged_and_narrowed_by_code(browser, job, monkeypatch):
    monkeypatch.setattr("jobs.admin.job.A_PAGE", 1)
    first = browser.get(f"/jobs/{job.pk}/?code=wrong_type").context
    assert ([row.row for row in first["errors"]], first["more"]) == ([2], 2)
    second = browser.get(f"/jobs/{job.pk}/?code=wrong_type&after={first['more']}").context
    assert ([row.row for row in second["errors"]], second["more"]) == ([5], None)
    assert browser.get(f"/jobs/{job.pk}/?after=x&code=nothing").context["errors"] == []


@pytest.mark.parametrize(("format", "media_type"), [("csv", "text/csv"), ("ndjson", "application/x-ndjson")])
def test_results_are_downloaded_beside_their_input(browser, job, format, media_type):
    data, headers = downloaded(browser, job, format)
    lines = data.decode().splitlines()
    assert headers["Content-Type"].startswith(media_type)
    assert headers["Content-Disposition"] == f'attachment; filename="rows-line-1.0.0.{format}"'
    assert len(lines) == len(ROWS) + (format == "csv")
    if format == "csv":
        assert lines[:3] == [
            "a,b,row,status,value,error,detail",
            "1,2,1,ok,3,,",
            "x,3,2,error,,wrong_type,`a` expects float from -100 to 100; got the text x.",
        ]


def test_an_unknown_format_and_an_unknown_job_are_not_found(browser, job):
    for path in (f"{job.pk}/download/xlsx/", f"{job.endpoint_id:032d}/", f"{job.pk}/report/"):
        assert browser.get(f"/jobs/{path}").status_code == 404
    assert browser.post(f"/jobs/{job.pk}/explode/").status_code == 404


def test_results_are_offered_once_they_are_whole(browser, job):
    BatchJob.objects.update(state="running")
    assert browser.get(f"/jobs/{job.pk}/").context["downloads"] == []
    assert browser.get(f"/jobs/{job.pk}/download/csv/").status_code == 404


def test_a_job_is_paused_gone_on_with_and_cancelled(browser, flow):
    job = order(flow, ROWS)
    for action, state, offered in (
        ("pause", "paused", ["resume", "cancel"]),
        ("resume", "queued", ["pause", "cancel"]),
        ("cancel", "cancelled", []),
    ):
        answer = browser.post(f"/jobs/{job.pk}/{action}/", {"sure": "yes"}, follow=True)
        job.refresh_from_db()
        assert job.state == state
        assert [one[0] for one in answer.context["actions"]] == offered


def test_what_a_job_s_state_does_not_allow_is_said_and_not_done(browser, job):
    answer = browser.post(f"/jobs/{job.pk}/pause/")
    [message] = get_messages(answer.wsgi_request)
    assert "can't be paused" in str(message)
    job.refresh_from_db()
    assert job.state == "done"


def test_failed_rows_are_tried_again(browser, job):
    assert [one[0] for one in browser.get(f"/jobs/{job.pk}/").context["actions"]] == ["retry"]
    assert "Try the failed rows again?" in browser.post(f"/jobs/{job.pk}/retry/").content.decode()
    job.refresh_from_db()
    assert job.state == "done"
    browser.post(f"/jobs/{job.pk}/retry/", {"sure": "yes"})
    job.refresh_from_db()
    assert job.state == "running"
    assert job.chunks.filter(state="waiting").count() == 3


def test_a_job_whose_results_are_gone_says_so_and_offers_none(browser, job):
    batch_job_expire(job=job)
    answer = browser.get(f"/jobs/{job.pk}/")
    assert "were deleted on" in answer.content.decode()
    assert (answer.context["downloads"], answer.context["actions"], answer.context["errors"]) == ([], [], [])
    assert answer.context["codes"] == [("out_of_range", "1"), ("wrong_type", "2")]
    assert browser.get(f"/jobs/{job.pk}/download/csv/").status_code == 404


def test_a_file_that_could_not_be_read_says_why(browser, flow):
    job = order(flow, ['"1,2'])
    work()
    page = browser.get(f"/jobs/{job.pk}/").content.decode()
    job.refresh_from_db()
    assert job.state == "failed"
    assert job.code in page
