"""The page of a replay report, from the stored predictions on."""

import datetime

import pytest

from inference.engine.store import FolderStore
from inference.services import release_deploy
from jobs.batch.work import work
from jobs.models import BatchJob
from jobs.replay.comparison import Comparison
from jobs.replay.query import Selection
from jobs.services import batch_query_create
from tests.inference import tiny
from tests.jobs.answered import store


@pytest.fixture
def job(flow, tmp_path, settings):
    """What `line-1.1.0`, which is steeper, says to 100 rows that `line-1.0.0` answered; half of them are 0."""
    tiny.write_version(tmp_path / "artifacts" / "flow", number="1.1.0", slope=1.5)
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(settings.STORE_DIR), actor="test")
    store(flow, [(float(n % 2) * 10, 0.0) for n in range(100)])
    until = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
    since = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    selection = Selection(since=since, until=until)
    job = batch_query_create(endpoint=flow, version=flow.versions.get(minor=1), selection=selection, actor="ada")
    while work():
        pass
    job.refresh_from_db()
    return job


def test_a_report_says_how_many_agree_and_where_they_do_not(browser, job):
    answer = browser.get(f"/jobs/{job.pk}/report/")
    said = answer.context
    assert (said["agreement"], said["facts"][:3]) == (
        "50.00 %",
        [("Rows", "100"), ("Compared", "100"), ("Differ", "50")],
    )
    assert said["slices"][0]["name"] == "a from 10"
    assert said["slices"][0]["rate"] == "100 %"
    assert [plot.id for plot in said["plots"]] == ["differences", "hours"]
    assert sum(said["plots"][0].bars[0][1]) == 100
    assert "Nobody told the truth" in answer.content.decode()


def test_a_report_of_rows_that_were_not_answered_both_times_says_so(browser, job):
    report = Comparison(tiny.signature(), {}, tolerance=0.00001).report(version="line-1.1.0")
    BatchJob.objects.update(report=report.to_dict())
    page = browser.get(f"/jobs/{job.pk}/report/").content.decode()
    assert "No row was answered both times" in page
    assert "differ by at most 1e-05 l/s" in page


def test_a_report_is_taken_along_as_json(browser, job):
    answer = browser.get(f"/jobs/{job.pk}/report/?format=json")
    assert answer.json() == job.report


def test_a_job_leads_to_its_report(browser, job):
    assert f"/jobs/{job.pk}/report/" in browser.get(f"/jobs/{job.pk}/").content.decode()
