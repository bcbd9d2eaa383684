"""Schedules over REST."""

from typing import Any

import httpx
import pytest
from django_celery_beat.models import PeriodicTask

from inference.models import Endpoint
from inference.services import device_create
from tests.jobs.api.conftest import Client
from tests.jobs.api.refusals import checked

SCHEDULES = "/api/v1/jobs/schedules/"
DAILY = {
    "name": "yesterday",
    "endpoint": "flow",
    "plan": {"kind": "batch", "hours": 24, "version": "line-1.0.0"},
    "crontab": "0 6 * * *",
    "zone": "Europe/Berlin",
}


def test_a_schedule_is_made_changed_and_taken_away(jobs: httpx.Client) -> None:
    answer = jobs.post(SCHEDULES, json=DAILY)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    place = answer.headers["location"]
    assert place == f"{SCHEDULES}yesterday/"
    assert made["plan"] | {"limit": 0} == {"kind": "batch", "hours": 24, "version": "line-1.0.0", "device": None} | {
        "limit": 0
    }
    assert (made["crontab"], made["zone"], made["enabled"], made["latest"]) == (
        "0 6 * * *",
        "Europe/Berlin",
        True,
        None,
    )
    assert made["created_by"] == "service:nightly"
    assert jobs.get(SCHEDULES).json()["schedules"] == [made] == [jobs.get(place).json()]

    changed = jobs.patch(place, json={"enabled": False, "crontab": "30 7 * * 1"}).json()
    assert (changed["enabled"], changed["crontab"], changed["next_at"]) == (False, "30 7 * * 1", None)
    changed = jobs.patch(place, json={"plan": {"kind": "batch", "hours": 48}, "enabled": True}).json()
    assert (changed["plan"]["hours"], changed["plan"]["version"], changed["crontab"]) == (48, None, "30 7 * * 1")

    assert jobs.delete(place).json()["name"] == "yesterday"
    checked(jobs.get(place), 404, "not_found")
    checked(jobs.delete(place), 404, "not_found")
    assert not PeriodicTask.objects.filter(name="yesterday").exists()


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("B67 text", {"crontab": "every day"}, 422, "bad_schedule"),
    ("B67 second", {"crontab": "* * * * * *"}, 422, "bad_schedule"),
    ("B67 range", {"crontab": "61 * * * *"}, 422, "bad_schedule"),
    ("zone", {"zone": "Europe/Atlantis"}, 422, "bad_schedule"),
    ("name", {"name": "Mine & yours"}, 422, "bad_schedule"),
    ("endpoint", {"endpoint": "nosuch"}, 404, "unknown_endpoint"),
    ("version", {"plan": {"kind": "batch", "hours": 1, "version": "line-9.9.9"}}, 404, "unknown_endpoint"),
    ("kind", {"plan": {"kind": "backup"}}, 422, "wrong_type"),
    ("no kind", {"plan": {"hours": 1}}, 422, "wrong_type"),
    ("no hours", {"plan": {"kind": "batch"}}, 422, "wrong_type"),
    ("hours", {"plan": {"kind": "batch", "hours": 0}}, 422, "out_of_range"),
    ("many hours", {"plan": {"kind": "batch", "hours": 9601}}, 422, "out_of_range"),
    ("a field of the other kind", {"plan": {"kind": "batch", "hours": 1, "algorithm": "line"}}, 422, "unknown_field"),
    ("enabled", {"enabled": "yes"}, 422, "wrong_type"),
]


@pytest.mark.parametrize(("said", "status", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_schedule_that_cannot_be_is_refused(jobs: httpx.Client, said: dict[str, Any], status: int, code: str) -> None:
    checked(jobs.post(SCHEDULES, json=DAILY | said), status, code)
    assert jobs.get(SCHEDULES).json() == {"schedules": []}


def test_a_plan_that_is_none_is_told_what_came(jobs: httpx.Client) -> None:
    for plan, came in (({"kind": "backup"}, "backup"), ({"kind": "batch", "hours": "24"}, "the text 24")):
        refused = checked(jobs.post(SCHEDULES, json=DAILY | {"plan": plan}), 422, "wrong_type")
        assert refused["detail"].endswith(f"; got {came}.")


def test_whether_there_is_a_device_of_that_name_is_not_told(jobs: httpx.Client) -> None:
    device_create(name="pump-1", actor="test")
    for name in ("pump-1", "nobody"):
        plan = {"kind": "batch", "hours": 1, "device": name}
        assert jobs.post(SCHEDULES, json=DAILY | {"name": name, "plan": plan}).status_code == 201


def test_a_name_is_given_once(jobs: httpx.Client) -> None:
    assert jobs.post(SCHEDULES, json=DAILY).status_code == 201
    checked(jobs.post(SCHEDULES, json=DAILY), 409, "already_exists")


def test_a_credential_sees_and_changes_schedules_of_its_endpoints_only(
    client: Client, jobs: httpx.Client, flow: Endpoint
) -> None:
    place = jobs.post(SCHEDULES, json=DAILY).headers["location"]
    Endpoint.objects.create(slug="tide", name="Tide", signature=flow.signature, signature_digest="x")
    narrow = client("jobs", endpoints=("tide",))
    checked(narrow.post(SCHEDULES, json=DAILY | {"name": "mine"}), 404, "unknown_endpoint")
    assert narrow.get(SCHEDULES).json() == {"schedules": []}
    hidden = checked(narrow.get(place), 404, "not_found")
    absent = checked(narrow.get(f"{SCHEDULES}nosuch/"), 404, "not_found")
    assert hidden["detail"] == absent["detail"]
    checked(narrow.patch(place, json={"enabled": False}), 404, "not_found")
    checked(narrow.delete(place), 404, "not_found")
    assert jobs.get(place).json()["enabled"] is True
