"""The pages of training runs: what they show of one, and deciding about it."""

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages

from inference.engine.store import FolderStore
from inference.models import Version
from inference.services import release_deploy
from jobs.models import RunLine, TrainingRun
from tests.inference import tiny

CURVE = {"label": "fault", "fpr": [0.0, 0.5, 1.0], "tpr": [0.0, 0.9, 1.0], "auc": 0.7}
MEASURED = {"metrics": {"rows": 30, "mae": 0.25, "r2": 0.5}}
REPORT = {
    "held_out": {"rows": 30, "base": 30, "feedback": 0},
    "candidate": MEASURED,
    "champion": {"metrics": {"rows": 30, "mae": 0.5, "r2": None}},
    "plots": {
        "residuals": {
            "candidate": {"predicted": [1.0, 2.0], "actual": [1.5, 2.5], "edges": [-1.0, 0.0, 1.0], "counts": [1, 1]},
            "champion": None,
        },
        "importances": {"metric": "mae", "rows": 30, "repeats": 5, "inputs": [{"name": "a", "mean": 0.1}]},
    },
}
GATE = {
    "metric": "mae",
    "passed": True,
    "verdicts": [{"rule": "maximum_loss", "bound": 0.1, "value": -0.25, "passed": True, "detail": "mae 0.25"}],
}


@pytest.fixture
def better(flow, tmp_path, settings) -> Version:
    """`line-1.0.1` of `flow`, published."""
    tiny.write_version(tmp_path / "artifacts" / "flow", number="1.0.1", slope=2)
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(settings.STORE_DIR), actor="test")
    return flow.versions.get(patch=1)


@pytest.fixture
def run(flow, better) -> TrainingRun:
    """A run that waits for approval."""
    run = TrainingRun.objects.create(
        endpoint=flow,
        algorithm="line",
        policy="approve",
        slot="one",
        created_by="ada",
        state="waiting",
        step="promote",
        reason="New pumps.",
        data={"rows": {"base": 100, "feedback": 20}, "left_out": {"unusable": 3}, "sha256": "abc"},
        gate=GATE,
        report=REPORT,
        champion=flow.versions.get(patch=0),
        candidate=better,
    )
    RunLine.objects.create(run=run, text="selecting <data>")
    return run


def live(run: TrainingRun) -> str:
    """The tag of what answers."""
    return run.endpoint.deployments.get(ended_at=None).version.tag


def test_who_has_no_run_yet_is_told_what_to_do(browser):
    page = browser.get("/trainings/").content.decode()
    assert "Nothing was trained here yet." in page
    assert '<option value="flow/line">flow/line</option>' in page


def test_a_run_is_started_with_a_reason(browser):
    said = {"algorithm": "flow/line", "since": "2026-01-02T03:04", "reason": "New pumps."}
    answer = browser.post("/trainings/start/", said)
    run = TrainingRun.objects.get()
    assert answer.headers["Location"] == f"/trainings/{run.pk}/"
    assert (run.created_by, run.reason, run.state) == ("root", "New pumps.", "queued")
    assert f"{run.feedback_since:%Y-%m-%d %H:%M %Z}" == "2026-01-02 03:04 UTC"
    again = browser.post("/trainings/start/", said)
    assert (again.status_code, TrainingRun.objects.count()) == (409, 1)


@pytest.mark.parametrize(
    ("said", "status"), [({"reason": " "}, 422), ({"since": "soon"}, 422), ({"algorithm": "flow/forest"}, 409)]
)
def test_a_run_that_can_t_be_started_comes_back_with_the_reason(browser, said, status):
    answer = browser.post("/trainings/start/", {"algorithm": "flow/line", "since": "", "reason": "x"} | said)
    assert (answer.status_code, TrainingRun.objects.count()) == (status, 0)
    assert answer.context["problem"]


def test_a_run_shows_how_good_its_version_is_and_what_the_gate_says(browser, run):
    answer = browser.get(f"/trainings/{run.pk}/")
    said, page = answer.context, answer.content.decode()
    assert said["metrics"] == [("mae", "0.25", "0.5"), ("r2", "0.5", "-")]
    assert [(one["rule"], one["value"], one["bound"], one["passed"]) for one in said["verdicts"]] == [
        ("maximum loss", "-0.25", "0.1", True)
    ]
    assert ("Rows of feedback", "20") in said["facts"]
    assert ("Left out: unusable", "3") in said["facts"]
    assert [plot.id for plot in said["plots"]] == ["answers", "errors", "importances"]
    assert "selecting &lt;data&gt;" in page
    assert [how for _, how in said["steps"]] == ["done", "done", "done", "done", "now"]


def test_curves_of_both_versions_are_drawn_in_one_plot(browser, run):
    both = {"candidate": [CURVE], "champion": [CURVE | {"auc": 0.6}]}
    run.report = REPORT | {"plots": {"roc": both}}
    run.save()
    [plot] = browser.get(f"/trainings/{run.pk}/").context["plots"]
    assert [line.label for line in plot.lines] == ["new, area 0.7000", "live then, area 0.6000", "guessing"]
    assert plot.rows[1] == ["new, area 0.7000", "0.5", "0.9"]


def test_a_run_without_a_report_is_shown_as_far_as_it_is(browser, flow):
    run = TrainingRun.objects.create(endpoint=flow, algorithm="line", policy="approve", slot="one", created_by="ada")
    said = browser.get(f"/trainings/{run.pk}/").context
    assert (said["metrics"], said["verdicts"], said["plots"], said["may_cancel"]) == ([], [], [], True)
    assert [how for _, how in said["steps"]] == ["open"] * 5
    assert browser.get("/trainings/").context["runs"][0].candidate == "-"


def test_an_approved_version_goes_live_and_the_reason_stays(browser, run):
    said = {"reason": "Better.", "replacing": "line-1.0.0"}
    asked = browser.post(f"/trainings/{run.pk}/approve/", said)
    assert "Let line-1.0.1 take over from line-1.0.0?" in asked.content.decode()
    assert asked.context["sent"] == list(said.items())
    assert live(run) == "line-1.0.0"
    browser.post(f"/trainings/{run.pk}/approve/", said | {"sure": "yes"})
    run.refresh_from_db()
    assert (run.state, run.decided_by, live(run)) == ("deployed", "root", "line-1.0.1")
    assert "Better." in browser.get(f"/trainings/{run.pk}/").content.decode()


def test_what_would_replace_another_version_than_was_seen_is_not_done(browser, run):
    answer = browser.post(
        f"/trainings/{run.pk}/approve/", {"reason": "Better.", "replacing": "line-0.9.0", "sure": "yes"}
    )
    [message] = get_messages(answer.wsgi_request)
    assert "line-1.0.0" in str(message)
    assert live(run) == "line-1.0.0"


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_nothing_is_decided_without_a_reason(browser, run, action):
    answer = browser.post(f"/trainings/{run.pk}/{action}/", {"reason": " ", "replacing": "line-1.0.0"})
    assert answer.status_code == 422
    run.refresh_from_db()
    assert run.state == "waiting"


def test_a_rejected_version_stays_published_and_does_not_go_live(browser, run):
    browser.post(f"/trainings/{run.pk}/reject/", {"reason": "Too few rows."})
    run.refresh_from_db()
    assert (run.state, live(run)) == ("rejected", "line-1.0.0")


def test_a_run_is_cancelled(browser, run):
    TrainingRun.objects.update(state="running", step="fit")
    browser.post(f"/trainings/{run.pk}/cancel/", {"sure": "yes"})
    run.refresh_from_db()
    assert run.state == "cancelled"
    assert [how for _, how in browser.get(f"/trainings/{run.pk}/").context["steps"]] == [
        "done",
        "failed",
        "open",
        "open",
        "open",
    ]


def test_the_newest_runs_come_first_a_page_at_a_time(browser, flow, monkeypatch):
    monkeypatch.setattr("jobs.admin.trainings.A_PAGE", 2)
    said = {"endpoint": flow, "algorithm": "line", "policy": "approve", "state": "failed", "created_by": "ada"}
    for at in range(3):
        TrainingRun.objects.create(**said, slot=str(at))
    ids = list(TrainingRun.objects.order_by("pk").values_list("pk", flat=True))
    first = browser.get("/trainings/")
    assert [one.run.pk for one in first.context["runs"]] == [ids[2], ids[1]]
    assert first.context["socket"]
    assert f'href="?before={ids[1]}"' in first.content.decode()
    older = browser.get(f"/trainings/?before={ids[1]}")
    assert [one.run.pk for one in older.context["runs"]] == [ids[0]]
    assert not older.context["socket"]
    assert "There are no older runs" in browser.get(f"/trainings/?before={ids[0]}").content.decode()
    assert len(browser.get("/trainings/?before=yesterday").context["runs"]) == 2


def test_what_postgres_can_not_store_is_left_out_of_a_reason(browser):
    browser.post("/trainings/start/", {"algorithm": "flow/line\x00", "since": "", "reason": "New\x00 pumps."})
    assert TrainingRun.objects.get().reason == "New pumps."


def test_a_champion_that_may_know_the_rows_is_named_beside_the_figures(browser, run):
    assert "may have learnt from some of these rows" not in browser.get(f"/trainings/{run.pk}/").content.decode()
    run.report = REPORT | {"held_out": {"rows": 30, "known": "the base data is another one"}}
    run.save()
    page = browser.get(f"/trainings/{run.pk}/").content.decode()
    assert "line-1.0.0 may have learnt from some of these rows" in page
    assert "the base data is another one" in page


def test_of_a_long_log_the_end_is_shown_and_where_the_rest_is(browser, run, monkeypatch):
    monkeypatch.setattr("jobs.admin.run.MOST_LINES", 2)
    assert not browser.get(f"/trainings/{run.pk}/").context["cut"]
    RunLine.objects.bulk_create(RunLine(run=run, text=text) for text in ("fitting", "publishing"))
    answer = browser.get(f"/trainings/{run.pk}/")
    assert [line.text for line in answer.context["lines"]] == ["fitting", "publishing"]
    assert f"/api/v1/jobs/training/{run.pk}/log" in answer.content.decode()


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_who_may_not_deploy_decides_nothing(client, run, action):
    somebody = User.objects.create_user("olga", is_staff=True)
    somebody.user_permissions.add(
        Permission.objects.get(codename="run_trainingrun"), Permission.objects.get(codename="view_trainingrun")
    )
    client.force_login(somebody)
    said = {"reason": "Mine.", "replacing": "line-1.0.0", "sure": "yes"}
    assert client.post(f"/trainings/{run.pk}/{action}/", said).status_code == 403
    run.refresh_from_db()
    assert run.state == "waiting"
