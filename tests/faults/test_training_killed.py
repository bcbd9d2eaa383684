"""F24: a worker that trains is killed at each step of a run. What is served stays, and the run comes to its end."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.deployer import Deployer
from tests.faults.stack import ENDPOINT, Stack
from tests.faults.trainings import Training, cancel_all

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(600)]

FINISHED_S = 240
HOURS_AGO_S = 2 * 3600


@pytest.fixture
def deploying(stack: Stack, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The endpoint lets better versions go live by themselves; afterwards all is as before. A trainer's environment."""
    champion = stack.champion()
    stack.sql("UPDATE inference_endpoint SET promotion = 'deploy' WHERE slug = %s", (ENDPOINT,))
    with Deployer(stack) as deployer:
        # A champion that what is trained here can equal.
        deployer.deploy("logistic_regression-1.0.0")
    yield {"TMPDIR": str(tmp_path)}
    stack.crew.dismiss()
    cancel_all(stack)
    with Deployer(stack) as deployer:
        deployer.deploy(champion)
    stack.sql("UPDATE inference_endpoint SET promotion = 'approve' WHERE slug = %s", (ENDPOINT,))


@pytest.mark.parametrize("step", ["select", "fit", "judge", "publish", "promote"])
async def test_a_killed_training_changes_nothing_and_is_done_by_another(
    stack: Stack, deploying: dict[str, str], tmp_path: Path, step: str
) -> None:
    champion = stack.champion()
    trainer = stack.crew.trainer(**deploying)
    stack.crew.wait_ready()
    training = Training(stack).start()
    with training.held_up(step):
        await training.catch(trainer, step)
        # Not what trains: it has to end with them, even though it is stopped.
        trainer.kill()
        trainer.kill_children(of_children=False)
    await stack.becomes(lambda: not trainer.left, "nothing of the killed worker runs any more", timeout_s=15)
    while_dead = (stack.champion(), training.state)
    training.expire_lease()
    stack.crew.tend()
    state = await training.finishes(FINISHED_S, stack.crew.tend)

    assert while_dead == (champion, "running")
    assert state == "deployed", training.said
    assert training.attempts == 2
    assert stack.champion().startswith(f"{training.algorithm}-1.0.")
    assert _stored(stack) == _known(stack)
    _is_tidied_up(stack, tmp_path)


@pytest.mark.usefixtures("deploying")
async def test_a_worker_that_wakes_up_late_promotes_nothing(stack: Stack) -> None:
    late = stack.crew.trainer()
    stack.crew.wait_ready()
    training = Training(stack).start()
    with training.held_up("promote"):
        await training.catch(late, "promote")
    # Its lease must run out by itself: the stopped worker's transaction keeps the run's row locked.
    stack.crew.trainer()
    state = await training.finishes(FINISHED_S)
    deployments = _deployments(stack)
    late.thaw()
    await stack.becomes(lambda: "somebody else's" in late.log() or "was left" in late.log(), "the late one gives up")

    assert state == "deployed", training.said
    assert _deployments(stack) == deployments


def _stored(stack: Stack) -> set[str]:
    """The digests of all versions in the store, also of half ones."""
    return {f"{path.parent.name}:{path.name}" for path in (stack.home / "store").glob("*/*")}


def _known(stack: Stack) -> set[str]:
    """The digests of all versions in the registry."""
    return {digest for (digest,) in stack.sql("SELECT digest FROM inference_version")}


def _deployments(stack: Stack) -> int:
    return int(stack.sql("SELECT count(*) FROM inference_deployment")[0][0])


def _is_tidied_up(stack: Stack, temporary: Path) -> None:
    """Return when the folders of killed workers are gone, once they are old enough and a worker has looked."""
    for folder in temporary.glob("foretell-*"):
        os.utime(folder, (time.time() - HOURS_AGO_S,) * 2)
    stack.crew.dismiss()
    stack.crew.trainer(TMPDIR=str(temporary))
    stack.crew.wait_ready()
    stack.wait_until(lambda: not list(temporary.glob("foretell-*")), "old folders of killed workers are removed")
