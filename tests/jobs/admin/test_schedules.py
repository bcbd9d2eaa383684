"""The pages of schedules."""

import pytest
from django.contrib.messages import get_messages
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from inference.models import Deployment
from inference.services import device_create
from jobs.models import ScheduleSlot
from jobs.schedules.rows import BatchPlan, schedule_get, schedule_list
from jobs.services import schedule_change, schedule_create
from tests.jobs.orders import order

NIGHTLY = {"name": "nightly", "target": "batch/flow/", "hours": "24", "crontab": "30 2 * * *", "zone": "Europe/Berlin"}


@pytest.fixture
def nightly(flow):
    """It asks the live version again every night."""
    return schedule_create(name="nightly", endpoint=flow, plan=BatchPlan(hours=24), crontab="30 2 * * *", actor="ada")


def test_a_schedule_is_made_and_listed(browser):
    assert browser.post("/schedules/", NIGHTLY).status_code == 302
    page = browser.get("/schedules/")
    [one] = page.context["schedules"]
    assert (one.schedule.name, one.schedule.zone, one.schedule.created_by) == ("nightly", "Europe/Berlin", "root")
    assert one.what == "ask the live version of flow again about the last 24 h"
    assert "nightly" in page.content.decode()


@pytest.mark.parametrize(
    "said",
    [
        {"crontab": "30 2 * *"},
        {"zone": "Europe/Atlantis"},
        {"hours": "many"},
        {"hours": ""},
        {"name": "Every night"},
        {"target": "batch/nothing/"},
        {"target": "retraining/flow/forest"},
        {"target": ""},
        {"device": "nobody"},
        {"limit": "0"},
        {"limit": "some"},
        {"target": "batch/fl\x00oww/"},
    ],
)
def test_a_schedule_that_can_t_be_made_comes_back_with_the_reason(browser, said):
    answer = browser.post("/schedules/", NIGHTLY | said)
    assert (answer.status_code, schedule_list()) == (422, [])
    assert answer.context["problem"]
    assert answer.context["values"]["crontab"] == (NIGHTLY | said)["crontab"]


def test_a_schedule_is_changed(browser, nightly):
    form = browser.get("/schedules/nightly/").context
    assert form["values"] == {
        "crontab": "30 2 * * *",
        "zone": "UTC",
        "target": "batch/flow/",
        "hours": 24,
        "device": "",
        "limit": "",
    }
    said = {"target": "batch/flow/line-1.0.0", "hours": "48", "crontab": "0 6 * * 1", "zone": "UTC"}
    assert browser.post("/schedules/nightly/", said).status_code == 302
    changed = schedule_get(name="nightly")
    assert (changed.plan, changed.crontab) == (BatchPlan(hours=48, version="line-1.0.0"), "0 6 * * 1")


def test_what_a_form_shows_of_a_schedule_and_gets_back_is_the_same_schedule(browser, nightly, flow):
    device_create(name="pump-7", actor="test")
    plan = BatchPlan(hours=24, version="line-1.0.0", device="pump-7", limit=50)
    schedule_change(schedule=nightly, plan=plan, actor="ada")
    form = browser.get("/schedules/nightly/").context
    assert form["one"].what.endswith("the last 24 h of pump-7, the latest 50 rows at most")
    assert browser.post("/schedules/nightly/", form["values"]).status_code == 302
    assert schedule_get(name="nightly").plan == plan


def test_a_schedule_whose_target_could_not_be_chosen_now_keeps_it(browser, nightly):
    assert "as it is:" not in browser.get("/schedules/nightly/").content.decode()
    Deployment.objects.update(ended_at=timezone.now())
    page = browser.get("/schedules/nightly/")
    assert '<option value="batch/flow/" selected>as it is:' in page.content.decode()
    assert browser.get("/schedules/").context["other"] == ""


def test_a_schedule_that_is_off_is_not_called_due(browser, nightly):
    browser.post("/schedules/nightly/disable/")
    answer = browser.post("/schedules/nightly/", NIGHTLY)
    assert [str(one) for one in get_messages(answer.wsgi_request)][-1] == "nightly is kept, and switched off."


def test_a_reason_may_hold_what_postgres_can_t_store(browser):
    said = {"target": "retraining/flow/line", "reason": "the\x00pumps", "hours": ""}
    assert browser.post("/schedules/", NIGHTLY | said).status_code == 302
    assert schedule_get(name="nightly").plan.reason == "thepumps"


def test_a_schedule_keeps_its_endpoint_and_its_kind(browser, nightly):
    for target in ("batch/other/", "retraining/flow/line"):
        answer = browser.post("/schedules/nightly/", NIGHTLY | {"target": target})
        assert (answer.status_code, schedule_get(name="nightly").plan) == (422, BatchPlan(hours=24))


def test_a_schedule_is_switched_off_and_on_and_deleted(browser, nightly):
    browser.post("/schedules/nightly/disable/")
    assert not PeriodicTask.objects.get(name="nightly").enabled
    browser.post("/schedules/nightly/enable/")
    assert PeriodicTask.objects.get(name="nightly").enabled
    browser.post("/schedules/nightly/delete/")
    assert len(schedule_list()) == 1
    browser.post("/schedules/nightly/delete/", {"sure": "yes"})
    assert schedule_list() == []
    assert browser.get("/schedules/nightly/").status_code == 404
    assert browser.post("/schedules/nightly/explode/").status_code == 404


def test_what_a_schedule_started_last_is_linked(browser, nightly, flow):
    job = order(flow, ["1,2"])
    ScheduleSlot.objects.create(schedule="nightly", slot="x", due_at="2026-01-01T02:30Z", started_id=job.pk)
    [one] = browser.get("/schedules/").context["schedules"]
    assert one.came == f"/jobs/{job.pk}/"


def test_why_a_schedule_could_start_nothing_is_said(browser, nightly):
    ScheduleSlot.objects.create(
        schedule="nightly", slot="x", due_at="2026-01-01T02:30Z", code="no_rows", detail="There was nothing."
    )
    page = browser.get("/schedules/").content.decode()
    assert "no_rows" in page
    assert "There was nothing." in page
