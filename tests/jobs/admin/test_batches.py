"""The list of batch jobs, and the forms that start one."""

import csv
import io
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError

from inference.http.errors import UploadStorageFull
from inference.models import ControlLog
from inference.services import device_create
from jobs import storage
from jobs.errors import StorageFull
from jobs.models import BatchJob
from jobs.services import batch_job_create
from tests.jobs.answered import store
from tests.jobs.orders import order
from tests.jobs.room import room

HOUR = {"from": "2026-01-01T00:00", "until": "2100-01-01T00:00"}


def start(browser, text: str, name: str = "rows.csv", **said: str):
    """Post the form for files."""
    file = SimpleUploadedFile(name, text.encode())
    return browser.post("/jobs/upload/", {"answerer": "flow/", "carried": "", "file": file} | said)


def incoming() -> set[str]:
    """The files that wait to be read."""
    return set(storage.uploads().listdir("incoming")[1]) if storage.uploads().exists("incoming") else set()


def test_who_has_no_job_yet_is_told_what_to_do(browser):
    page = browser.get("/jobs/").content.decode()
    assert "No file was predicted yet." in page
    assert '<details class="ft-card job-new" open>' in page
    assert "/jobs/examples/flow.csv" in page


def test_the_example_is_a_file_that_the_endpoint_takes(browser):
    example = browser.get("/jobs/examples/flow.csv")
    assert 'filename="flow.csv"' in example["Content-Disposition"]
    header, row = csv.reader(io.StringIO(example.content.decode()))
    assert (header, len(row)) == (["a", "b"], 2)
    assert start(browser, example.content.decode()).status_code == 302


def test_a_file_becomes_a_job_of_who_sent_it(browser):
    answer = start(browser, "serial,a,b\nx,1,2\n", carried="serial, ", answerer="flow/line-1.0.0")
    job = BatchJob.objects.get()
    assert answer.headers["Location"] == f"/jobs/{job.pk}/"
    assert (job.created_by, job.user.username, job.version.tag) == ("root", "root", "line-1.0.0")
    assert (job.file_name, job.format, job.columns, job.carried) == (
        "rows.csv",
        "csv",
        ["serial", "a", "b"],
        ["serial"],
    )
    assert storage.get(job.file) == b"serial,a,b\nx,1,2\n"
    assert ControlLog.objects.filter(action="batch_job.create", actor="root").exists()


@pytest.mark.parametrize(
    ("text", "name", "said", "sentence"),
    [
        ("a\n1\n", "rows.csv", {}, "lacks"),
        ("a,b\n", "rows.csv", {}, "no rows"),
        ("a,b,c\n1,2,3\n", "rows.csv", {}, "`c`, which the signature does not ask for"),
        ("a,b,c\n1,2,3\n", "rows.csv", {}, "among the columns to carry along"),
        ("a,b\n1,2\n", "rows.csv", {"carried": "a"}, "Columns to carry along (`carry`) are no inputs"),
        ("a,b\n1,2\n", "rows.xlsx", {}, "ends in .csv"),
        ("a,b\n1,2\n", "rows.csv", {"answerer": "flow/line-9.0.0"}, "line-9.0.0"),
        ("a,b\n1,2\n", "rows.csv", {"answerer": "nothing/"}, "nothing"),
    ],
)
def test_a_file_that_can_t_be_used_comes_back_with_the_reason_and_is_not_kept(browser, text, name, said, sentence):
    kept = incoming()
    answer = start(browser, text, name, **said)
    assert answer.status_code == 422
    assert sentence in answer.context["upload"].problem
    assert 'role="alert"' in answer.content.decode()
    assert not BatchJob.objects.exists()
    assert incoming() == kept


MIB = 1024 * 1024
SHEET = "a,b\n" + "1,2\n" * (MIB // 4)


def full(name: str, data: object) -> str:
    raise StorageFull


@pytest.mark.parametrize("under", ["form", "storage"])
def test_a_file_without_room_is_told_and_leaves_nothing(browser, monkeypatch, under):
    """B60"""
    kept = incoming()
    if under == "storage":
        monkeypatch.setattr("jobs.admin.batches.storage.put", full)
    # The form is written aside as it comes; in the second case all of it fits.
    with room(MIB // 2 if under == "form" else 4 * MIB):
        answer = start(browser, SHEET, carried="c") if under == "form" else start(browser, SHEET)
    assert answer.status_code == 507
    form = answer.context["upload"]
    assert (form.problem, form.wrong) == (str(UploadStorageFull()), "file")
    assert form.values["carried"] == ("c" if under == "form" else "")
    assert not BatchJob.objects.exists()
    assert incoming() == kept
    assert not list(Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*"))
    monkeypatch.undo()
    assert start(browser, "a,b\n1,2\n").status_code == 302


def test_a_file_whose_last_bytes_find_no_room_is_told(browser):
    # They are written when the file is complete.
    with room(65536 + 10):
        assert start(browser, SHEET[: 65536 + 20]).status_code == 507


def test_the_file_of_a_job_that_may_be_committed_stays(browser, monkeypatch):
    def committed_and_then_lost(**said):
        batch_job_create(**said)
        raise OperationalError("the connection is lost")

    monkeypatch.setattr("jobs.admin.batches.batch_job_create", committed_and_then_lost)
    with pytest.raises(OperationalError):
        start(browser, "a,b\n1,2\n")
    assert storage.get(BatchJob.objects.get().file) == b"a,b\n1,2\n"


def test_a_form_without_a_file_says_so(browser):
    answer = browser.post("/jobs/upload/", {"answerer": "flow/"})
    assert (answer.status_code, answer.context["upload"].problem) == (422, "Choose a file.")


def test_a_query_over_stored_predictions_becomes_a_job(browser, flow):
    store(flow, [(1, 2), (3, 4)])
    answer = browser.post("/jobs/query/", {"answerer": "flow/line-1.0.0", "device": ""} | HOUR)
    job = BatchJob.objects.get()
    assert answer.headers["Location"] == f"/jobs/{job.pk}/"
    assert (job.kind, job.selection) == ("query", {"since": "2026-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"})


def test_a_query_is_narrowed_by_who_answered_then_by_device_and_to_the_latest_rows(browser):
    device_create(name="pump-7", actor="test")
    said = {"answerer": "flow/", "then": " line-1.0.0 ", "device": "pump-7", "limit": "5000"}
    said |= {"from": "2026-01-01T00:00+01:00"}
    assert browser.post("/jobs/query/", HOUR | said).status_code == 302
    job = BatchJob.objects.get()
    assert job.selection == {
        "since": "2025-12-31T23:00:00Z",
        "until": "2100-01-01T00:00:00Z",
        "version": "line-1.0.0",
        "device": "pump-7",
        "limit": 5000,
    }
    facts = dict(browser.get(f"/jobs/{job.pk}/").context["facts"])
    assert (facts["Answered then by"], facts["The latest"]) == ("line-1.0.0", "5,000 rows at most")


def test_the_form_for_queries_offers_the_versions_that_may_have_answered(browser):
    assert '<option value="line-1.0.0">flow</option>' in browser.get("/jobs/").content.decode()


def test_who_may_not_look_at_devices_does_not_learn_their_names_here(browser, flow):
    norbert = User.objects.create_user("norbert", is_staff=True)
    for codename in ("view_batchjob", "run_batchjob"):
        norbert.user_permissions.add(Permission.objects.get(codename=codename))
    device_create(name="pump-7", actor="test")
    browser.force_login(norbert)
    for device in ("pump-7", "nobody"):
        assert browser.post("/jobs/query/", HOUR | {"answerer": "flow/", "device": device}).status_code == 302


@pytest.mark.parametrize(
    ("said", "wrong", "sentence"),
    [
        ({"from": "yesterday"}, "from", "`From` expects a date"),
        ({"until": ""}, "until", "`Until` expects a date"),
        ({"from": "2100-01-02T00:00"}, "until", "later than"),
        ({"from": "1960-01-01T00:00"}, "", "1970 or later"),
        ({"from": "0001-01-01T00:00+10:00"}, "from", "`From` expects a date"),
        ({"device": "nobody"}, "device", "nobody"),
        ({"device": "no\x00body"}, "device", "nobody"),
        ({"then": "line-9.0.0"}, "then", "line-9.0.0"),
        ({"then": "x\x00"}, "then", "no version"),
        ({"limit": "0"}, "limit", "from 1 to 1,000,000"),
        ({"limit": "1000001"}, "limit", "from 1 to 1,000,000"),
        ({"limit": "²"}, "limit", "from 1 to 1,000,000"),
        ({"answerer": ""}, "answerer", "no endpoint"),
        ({"answerer": "fl\x00oww/"}, "answerer", "no endpoint"),
    ],
)
def test_a_query_that_can_t_be_asked_comes_back_with_the_reason(browser, said, wrong, sentence):
    answer = browser.post("/jobs/query/", {"answerer": "flow/", "device": ""} | HOUR | said)
    assert answer.status_code == 422
    assert sentence.casefold() in answer.context["query"].problem.casefold()
    assert answer.context["query"].wrong == wrong
    assert answer.context["query"].values["from"] == (HOUR | said)["from"]
    assert not BatchJob.objects.exists()


def test_the_newest_jobs_come_first_a_page_at_a_time(browser, flow, monkeypatch):
    monkeypatch.setattr("jobs.admin.batches.A_PAGE", 2)
    ids = [order(flow, ["1,2"]).pk for _ in range(3)]
    first = browser.get("/jobs/")
    assert [one.job.pk for one in first.context["jobs"]] == [ids[2], ids[1]]
    assert first.context["socket"]
    older = browser.get(f"/jobs/?before={first.context['older']}")
    assert [one.job.pk for one in older.context["jobs"]] == [ids[0]]
    assert not older.context["socket"]
    assert "There are no older jobs" in browser.get(f"/jobs/?before={ids[0]}").content.decode()
