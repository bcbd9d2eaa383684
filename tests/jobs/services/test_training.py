"""Training runs: asked for once, decided by people, cancelled."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from inference.engine.store import FolderStore
from inference.errors import EndpointRetired, NotFound
from jobs.errors import ChampionChanged, GateFailed, JobState, RunInProgress
from tests.inference import tiny

SLOT = {"schedule": "nightly", "slot": "2026-11-01T02:00"}


def started(endpoint: Any, **said: Any) -> Any:
    """A run that was asked for."""
    from jobs.services.training import training_run_start

    return training_run_start(endpoint=endpoint, algorithm="line", actor="ann", reason="spring", **said)


@pytest.fixture
def newer(flow: Any, tmp_path: Any, settings: Any) -> Any:
    """`line-1.0.1`, published: what a run made."""
    from inference.services import version_publish

    folder = tiny.write_version(tmp_path / "artifacts" / "flow", number="1.0.1", slope=2)
    version, _ = version_publish(endpoint=flow, folder=folder, into=FolderStore(settings.STORE_DIR), actor="test")
    return version


@pytest.fixture
def waiting(flow: Any, newer: Any) -> Any:
    """A run whose version passed the gate and waits."""
    run = started(flow)
    return ended(run, "waiting", newer)


def ended(run: Any, state: str, version: Any) -> Any:
    """A run as it is after its steps."""
    run.state, run.candidate, run.champion = state, version, version.endpoint.versions.get(patch=0)
    run.gate = {"verdicts": [{"rule": "minimum", "passed": state != "refused"}]}
    run.save()
    return run


def live(endpoint: Any) -> tuple[str, str, str]:
    """The champion's tag, and who made it so and why."""
    deployment = endpoint.deployments.get(ended_at=None)
    return deployment.version.tag, deployment.actor, deployment.reason


def actions() -> list[str]:
    """The latest line of the control log: who did what to what, and why."""
    from inference.models import ControlLog

    latest = ControlLog.objects.first()
    return [latest.actor, latest.action, latest.object_id, latest.reason]


def test_a_run_is_asked_for_by_the_endpoints_policy(flow: Any) -> None:
    flow.promotion = "register"
    flow.save()
    run = started(flow)

    assert (run.state, run.step, run.policy, run.created_by, run.reason) == (
        "queued",
        "select",
        "register",
        "ann",
        "spring",
    )
    assert run.slot == run.pk.hex
    assert actions() == ["ann", "training_run.start", str(run.pk), "spring"]


def test_a_second_run_of_the_same_algorithm_waits_for_the_first(flow: Any) -> None:
    from jobs.services.training import training_run_cancel

    first = started(flow)
    with pytest.raises(RunInProgress) as caught:
        started(flow)
    assert caught.value.run == first.pk
    training_run_cancel(run=first, actor="ann")
    assert started(flow).pk != first.pk


def test_a_slot_has_one_run_however_often_it_is_asked_for(flow: Any, newer: Any) -> None:
    first = ended(started(flow, **SLOT), "refused", newer)

    assert started(flow, **SLOT).pk == first.pk
    assert started(flow, **SLOT | {"slot": "2026-11-02T02:00"}).pk != first.pk


def test_what_can_not_be_trained_is_refused(flow: Any) -> None:
    from jobs.services.training import training_run_start

    with pytest.raises(NotFound, match="spline"):
        training_run_start(endpoint=flow, algorithm="spline", actor="ann", reason="")
    flow.retired_at = flow.created_at
    with pytest.raises(EndpointRetired):
        started(flow)


def test_only_a_run_with_data_is_repeated(flow: Any, newer: Any) -> None:
    run = ended(started(flow), "failed", newer)
    with pytest.raises(NotFound, match="Data of run"):
        started(flow, repeated=run)
    kept = {"file": "training/data/0.ndjson.gz", "sha256": "0", "code": {}, "rows": {"base": 1}, "left_out": {}}
    run.data = kept | {"seed": 1, "candidate": {}}
    run.save()

    assert started(flow, repeated=run).data == kept


def test_approving_makes_the_version_live_and_says_who_and_why(flow: Any, waiting: Any) -> None:
    from jobs.services.training import training_run_approve

    run = training_run_approve(run=waiting, actor="bob", reason="looks good")
    run.refresh_from_db()

    assert (run.state, run.decided_by, run.detail) == ("deployed", "bob", "looks good")
    assert run.finished_at
    assert live(flow) == ("line-1.0.1", "bob", f"looks good (training run {run.pk})")
    assert run.deployment.version == run.candidate
    assert actions() == ["bob", "training_run.approve", str(run.pk), "looks good"]
    with pytest.raises(JobState, match="deployed can't be approved"):
        training_run_approve(run=run, actor="bob", reason="again")


def test_rejecting_leaves_everything_as_it_is(flow: Any, waiting: Any) -> None:
    from jobs.services.training import training_run_approve, training_run_reject

    run = training_run_reject(run=waiting, actor="bob", reason="too soon")

    assert (run.state, run.decided_by, run.detail) == ("rejected", "bob", "too soon")
    assert live(flow)[0] == "line-1.0.0"
    assert actions() == ["bob", "training_run.reject", str(run.pk), "too soon"]
    with pytest.raises(JobState, match="rejected can't be approved"):
        training_run_approve(run=run, actor="bob", reason="after all")


def test_what_the_gate_refused_can_not_be_approved(flow: Any, newer: Any) -> None:
    from jobs.services.training import training_run_approve

    run = ended(started(flow), "refused", newer)
    with pytest.raises(GateFailed, match="minimum"):
        training_run_approve(run=run, actor="bob", reason="I know better")
    assert live(flow)[0] == "line-1.0.0"


def test_a_champion_of_meanwhile_is_replaced_only_by_name(
    flow: Any, waiting: Any, tmp_path: Any, settings: Any
) -> None:
    from inference.services import version_deploy, version_publish
    from jobs.services.training import training_run_approve

    folder = tiny.write_version(tmp_path / "artifacts" / "flow", number="1.1.0", slope=3)
    other, _ = version_publish(endpoint=flow, folder=folder, into=FolderStore(settings.STORE_DIR), actor="test")
    version_deploy(endpoint=flow, version=other, actor="eve", reason="better")

    with pytest.raises(ChampionChanged, match=r"line-1\.1\.0 is champion now, and this was to replace line-1\.0\.0"):
        training_run_approve(run=waiting, actor="bob", reason="good")
    assert live(flow)[0] == "line-1.1.0"
    training_run_approve(run=waiting, actor="bob", reason="good", replacing="line-1.1.0")
    assert live(flow)[0] == "line-1.0.1"


def test_cancelling_takes_the_run_from_its_worker(flow: Any) -> None:
    from jobs import leases
    from jobs.errors import LeaseLost
    from jobs.models import TrainingRun
    from jobs.services.training import training_run_cancel

    run = started(flow)
    lease = leases.claim(TrainingRun.objects.filter(pk=run.pk), state="running")
    assert lease is not None
    run = training_run_cancel(run=run, actor="bob", reason="wrong data")

    assert (run.state, run.decided_by, run.detail) == ("cancelled", "bob", "wrong data")
    with pytest.raises(LeaseLost):
        lease.update(step="fit")
    with pytest.raises(JobState, match="cancelled can't be cancelled"):
        training_run_cancel(run=run, actor="bob")


def test_a_slot_promotes_once(flow: Any, newer: Any, waiting: Any) -> None:
    from jobs.models import TrainingRun
    from jobs.services.training import training_run_approve

    TrainingRun.objects.filter(pk=waiting.pk).update(slot="once", schedule="a")
    run = ended(started(flow, schedule="b", slot="once"), "deployed", newer)
    with pytest.raises(JobState, match="another run is live"):
        training_run_approve(run=waiting, actor="bob", reason="good")
    waiting.refresh_from_db()
    assert (waiting.state, run.state) == ("waiting", "deployed")
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingRun.objects.filter(pk=waiting.pk).update(state="deployed")
