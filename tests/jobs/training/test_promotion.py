"""What becomes of a version that passed: by policy, once a slot, and never in place of a better one."""

from pathlib import Path
from typing import Any

import pytest

from inference.engine.store import FolderStore
from tests.inference import tiny


class Promoted:
    """An endpoint, a run of it at its last step, and what is tried with it."""

    def __init__(self, flow: Any, folder: Path, store: FolderStore) -> None:
        self.flow, self._folder, self._store = flow, folder, store
        self.said: list[str] = []
        self.first = flow.versions.get()
        self.run = self.at_the_end(self.published("1.0.1"), "deploy")

    def published(self, number: str) -> Any:
        """A version of the endpoint."""
        from inference.services import version_publish

        folder = tiny.write_version(self._folder, number=number, slope=int(number[-1]) + 2)
        return version_publish(endpoint=self.flow, folder=folder, into=self._store, actor="test")[0]

    def at_the_end(self, candidate: Any, policy: str, **said: Any) -> Any:
        """A run that was compared with the first version and published its own."""
        from jobs.models import TrainingRun

        values = {"slot": candidate.tag, "gate": {"measured": True}, "created_by": "ann"} | said
        return TrainingRun.objects.create(
            endpoint=self.flow,
            algorithm="line",
            policy=policy,
            step="promote",
            candidate=candidate,
            champion=self.first,
            **values,
        )

    def promote(self, run: Any = None, before: Any = lambda: None) -> Any:
        """Hold the run, promote it, and say what is in its row then. The endpoint's policy is the run's."""
        from jobs import leases
        from jobs.models import TrainingRun
        from jobs.training.promotion import promote
        from jobs.training.steps import Doing

        run = run or self.run
        self.policy(run.policy)
        lease = leases.claim(TrainingRun.objects.filter(pk=run.pk), state="running")
        assert lease is not None
        row = TrainingRun.objects.select_related("endpoint", "champion", "candidate__endpoint").get(pk=run.pk)
        before()
        promote(Doing(run=row, lease=lease, say=self.said.append, check=lambda: None))
        row.refresh_from_db()
        return row

    def policy(self, policy: str) -> None:
        """What becomes of the endpoint's versions."""
        type(self.flow).objects.filter(pk=self.flow.pk).update(promotion=policy)

    def live(self) -> Any:
        """The open deployment."""
        return self.flow.deployments.get(ended_at=None)

    def somebody_deploys(self, version: Any) -> None:
        """A person makes another version live."""
        from inference.services import version_deploy

        version_deploy(endpoint=self.flow, version=version, actor="eve", reason="better")


@pytest.fixture
def promoted(flow: Any, tmp_path: Path, settings: Any) -> Promoted:
    """The endpoint `flow` and a run of it."""
    return Promoted(flow, tmp_path / "artifacts" / "flow", FolderStore(settings.STORE_DIR))


def test_it_goes_live_with_the_end_of_its_run(promoted: Promoted) -> None:
    run = promoted.promote()

    assert (run.state, run.leased_until) == ("deployed", None)
    assert run.finished_at
    assert (promoted.live(), promoted.live().version, promoted.live().actor) == (
        run.deployment,
        run.candidate,
        "training by ann",
    )


@pytest.mark.parametrize(("policy", "state"), [("approve", "waiting"), ("register", "registered")])
def test_by_policy_it_waits_or_is_only_published(promoted: Promoted, policy: str, state: str) -> None:
    promoted.run.policy = policy
    promoted.run.save()
    run = promoted.promote()

    assert (run.state, run.deployment, run.leased_until) == (state, None, None)
    assert promoted.live().version == promoted.first


def test_a_policy_made_stricter_while_the_run_worked_holds_for_it(promoted: Promoted) -> None:
    promoted.run.policy = "approve"
    type(promoted.run).objects.update(policy="deploy")
    run = promoted.promote()

    assert (run.state, run.policy) == ("waiting", "approve")
    assert promoted.live().version == promoted.first


def test_a_policy_made_stricter_at_the_last_moment_is_looked_at_again(promoted: Promoted) -> None:
    run = promoted.promote(before=lambda: promoted.policy("register"))
    assert (run.state, run.step) == ("running", "promote")
    assert promoted.live().version == promoted.first

    type(run).objects.update(leased_until=None)
    run.policy = "register"
    assert promoted.promote(run).state == "registered"


def test_a_schedule_deploys_in_its_own_name(promoted: Promoted) -> None:
    promoted.run.created_by = "schedule:nightly"
    promoted.run.save()
    promoted.promote()

    assert promoted.live().actor == "schedule:nightly"


def test_a_champion_that_came_meanwhile_is_compared_with_first(promoted: Promoted) -> None:
    other = promoted.published("1.1.0")
    run = promoted.promote(before=lambda: promoted.somebody_deploys(other))

    assert (run.state, run.step, run.data["judged"]) == ("running", "judge", 2)
    assert promoted.live().version == other
    assert "line-1.1.0 became champion meanwhile" in promoted.said[0]


def test_a_champion_that_changes_again_and_again_is_left_to_a_person(promoted: Promoted) -> None:
    promoted.run.data = {"judged": 3}
    promoted.run.save()
    other = promoted.published("1.1.0")
    run = promoted.promote(before=lambda: promoted.somebody_deploys(other))

    assert run.state == "waiting"
    assert "line-1.1.0" in run.detail
    assert promoted.live().version == other


def test_what_could_not_be_measured_waits_for_a_person(promoted: Promoted) -> None:
    promoted.run.gate = {"measured": False}
    promoted.run.save()

    assert promoted.promote().state == "waiting"
    assert promoted.live().version == promoted.first


def test_of_two_runs_of_a_slot_one_goes_live(promoted: Promoted) -> None:
    first = promoted.promote()
    second = promoted.at_the_end(promoted.published("1.0.2"), "deploy", slot=first.slot, schedule="other")
    type(second).objects.filter(pk=second.pk).update(champion=first.candidate)
    second = promoted.promote(second)

    assert (second.state, second.deployment) == ("registered", None)
    assert f"slot {first.slot}" in second.detail
    assert promoted.live().version == first.candidate


def test_a_worker_that_lost_the_run_promotes_nothing(promoted: Promoted) -> None:
    from jobs.errors import LeaseLost
    from jobs.models import TrainingRun

    with pytest.raises(LeaseLost):
        promoted.promote(before=lambda: TrainingRun.objects.filter(pk=promoted.run.pk).update(token=99))
    assert promoted.live().version == promoted.first


def test_a_run_cancelled_at_the_last_moment_promotes_nothing(promoted: Promoted) -> None:
    from jobs.errors import LeaseLost
    from jobs.services.training import training_run_cancel

    with pytest.raises(LeaseLost):
        promoted.promote(before=lambda: training_run_cancel(run=promoted.run, actor="bob"))
    assert promoted.live().version == promoted.first
