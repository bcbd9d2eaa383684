"""Training runs over REST: asked for, followed, decided. What a worker does is other tests'; here its rows are set."""

import httpx
import pytest

from inference.models import ControlLog, Deployment, Endpoint, Version
from jobs.models import RunLine, TrainingRun
from tests.jobs.api.conftest import Client
from tests.jobs.api.refusals import checked

TRAINING = "/api/v1/jobs/training/"
ASKED = {"endpoint": "flow", "algorithm": "line", "reason": "a week of feedback"}
WHY = {"reason": "looked at"}


def started(client: httpx.Client, **said: object) -> str:
    """The address of a new run."""
    answer = client.post(TRAINING, json=ASKED | said)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def waiting(place: str) -> TrainingRun:
    """The run, as a worker leaves it when its version waits for approval; a copy of the live one stands for it."""
    run = TrainingRun.objects.get(pk=place.split("/")[-2])
    version = Version.objects.get(endpoint=run.endpoint_id)
    run.champion = version
    run.candidate = Version.objects.create(
        endpoint=run.endpoint,
        algorithm=version.algorithm,
        major=1,
        minor=0,
        patch=1,
        digest=version.digest[:-4] + "0000",
        signature_digest=version.signature_digest,
        manifest=version.manifest,
        origin="retraining",
    )
    run.state = TrainingRun.State.WAITING
    run.save()
    return run


def test_a_retraining_is_asked_for(jobs: httpx.Client) -> None:
    answer = jobs.post(TRAINING, json=ASKED | {"feedback_since": "2026-11-15T00:00:00Z"})
    assert answer.status_code == 201, answer.text
    run = answer.json()
    assert answer.headers["location"] == f"{TRAINING}{run['id']}/"
    assert (run["state"], run["step"], run["policy"]) == ("queued", "select", "approve")
    assert (run["created_by"], run["reason"], run["candidate"]) == ("service:nightly", "a week of feedback", None)
    assert jobs.get(answer.headers["location"]).json() == run
    listed = jobs.get(TRAINING, params={"endpoint": "flow", "state": "queued"}).json()
    assert [one["id"] for one in listed["runs"]] == [run["id"]]
    assert "report" not in listed["runs"][0]
    assert ControlLog.objects.filter(action="training_run.start", actor="service:nightly").exists()


def test_while_one_is_under_way_no_other_is_started(jobs: httpx.Client) -> None:
    """B66"""
    run = started(jobs).split("/")[-2]
    problem = checked(jobs.post(TRAINING, json=ASKED), 409, "run_in_progress")
    assert problem["run"] == run


def test_the_same_key_starts_one_run(jobs: httpx.Client) -> None:
    key = {"idempotency-key": "week-47"}
    first, again = (jobs.post(TRAINING, json=ASKED, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    for other in ({"reason": "a year of feedback"}, {"feedback_since": "2026-11-15T00:00:00Z"}):
        checked(jobs.post(TRAINING, json=ASKED | other, headers=key), 422, "idempotency_mismatch")


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"endpoint": "nosuch"}, 404, "unknown_endpoint"),
        ({"algorithm": "forest"}, 404, "not_found"),
        ({"algorithm": 5}, 422, "wrong_type"),
        ({"reason": None}, 422, "wrong_type"),
        ({"reason": "x" * 1001}, 422, "string_too_long"),
        ({"feedback_since": "last week"}, 422, "bad_timestamp"),
        ({"repeat": "nosuch"}, 404, "not_found"),
        ({"deploy": True}, 422, "unknown_field"),
        ({"repeat": "nosuch", "feedback_since": "2026-11-15T00:00:00Z"}, 422, "unknown_field"),
    ],
)
def test_a_retraining_that_cannot_be_is_refused(
    jobs: httpx.Client, said: dict[str, object], status: int, code: str
) -> None:
    checked(jobs.post(TRAINING, json=ASKED | said), status, code)
    assert not TrainingRun.objects.exists()


def test_its_log_is_followed_line_by_line(jobs: httpx.Client) -> None:
    place = started(jobs)
    run = TrainingRun.objects.get()
    RunLine.objects.bulk_create(RunLine(run=run, text=text) for text in ("selecting data", "fitting", "publishing"))
    first = jobs.get(f"{place}log", params={"limit": 2}).json()
    assert [line["text"] for line in first["lines"]] == ["selecting data", "fitting"]
    rest = jobs.get(f"{place}log", params={"after": first["next"]}).json()
    assert ([line["text"] for line in rest["lines"]], rest["over"]) == (["publishing"], False)
    assert jobs.get(f"{place}log", params={"after": rest["next"]}).json()["next"] == rest["next"]
    checked(jobs.get(f"{place}log", params={"after": "-1"}), 400, "bad_pagination")


def test_a_waiting_version_is_approved(jobs: httpx.Client) -> None:
    place = started(jobs)
    run = waiting(place)
    checked(jobs.post(f"{place}approve"), 415, "unsupported_media_type")
    checked(jobs.post(f"{place}approve", json={}), 422, "wrong_type")
    approved = jobs.post(f"{place}approve", json=WHY).json()
    assert (approved["state"], approved["decided_by"], approved["candidate"]) == (
        "deployed",
        "service:nightly",
        "line-1.0.1",
    )
    assert Deployment.objects.get(ended_at=None).version_id == run.candidate_id
    checked(jobs.post(f"{place}approve", json=WHY), 409, "job_state")
    checked(jobs.post(f"{place}reject", json=WHY), 409, "job_state")


def test_who_may_start_a_run_may_not_decide_about_its_version(jobs: httpx.Client, client: Client) -> None:
    place = started(jobs)
    waiting(place)
    for decision in ("approve", "reject"):
        checked(client("jobs").post(f"{place}{decision}", json=WHY), 403, "insufficient_scope")
    assert jobs.get(place).json()["state"] == "waiting"


def test_one_is_not_approved_in_place_of_a_champion_nobody_saw(jobs: httpx.Client) -> None:
    place = started(jobs)
    waiting(place)
    checked(jobs.post(f"{place}approve", json=WHY | {"replacing": "line-0.9.0"}), 409, "job_state")
    assert jobs.post(f"{place}approve", json=WHY | {"replacing": "line-1.0.0"}).status_code == 200


def test_what_failed_its_gate_is_not_approved(jobs: httpx.Client) -> None:
    """B65"""
    place = started(jobs)
    gate = {"verdicts": [{"rule": "minimum_rows", "passed": False}, {"rule": "metric", "passed": True}]}
    TrainingRun.objects.update(state="refused", gate=gate)
    problem = checked(jobs.post(f"{place}approve", json=WHY), 409, "gate_failed")
    assert "minimum_rows" in problem["detail"]
    assert Deployment.objects.count() == 1


def test_a_waiting_version_is_rejected(jobs: httpx.Client) -> None:
    place = started(jobs)
    waiting(place)
    assert jobs.post(f"{place}reject", json=WHY).json()["state"] == "rejected"
    assert Deployment.objects.count() == 1


@pytest.mark.parametrize("body", [None, {"reason": "not now"}])
def test_a_run_is_cancelled(jobs: httpx.Client, body: dict[str, str] | None) -> None:
    place = started(jobs)
    assert jobs.post(f"{place}cancel", json=body).json()["state"] == "cancelled" if body else True
    if body is None:
        assert jobs.post(f"{place}cancel").json()["state"] == "cancelled"
    checked(jobs.post(f"{place}cancel"), 409, "job_state")
    assert jobs.get(f"{place}log").json()["over"] is True


def test_a_credential_sees_and_decides_runs_of_its_endpoints_only(
    client: Client, jobs: httpx.Client, flow: Endpoint
) -> None:
    place = started(jobs)
    waiting(place)
    other = Endpoint.objects.create(slug="tide", name="Tide", signature=flow.signature, signature_digest="x")
    narrow = client("jobs", "admin", endpoints=(other.slug,))
    checked(narrow.post(TRAINING, json=ASKED), 404, "unknown_endpoint")
    assert narrow.get(TRAINING).json()["runs"] == []
    for path in ("", "log"):
        checked(narrow.get(f"{place}{path}"), 404, "not_found")
    for action in ("approve", "reject", "cancel"):
        checked(narrow.post(f"{place}{action}", json=WHY), 404, "not_found")
    assert TrainingRun.objects.get().state == "waiting"
