"""What becomes of a version that passed the gate: live, waiting for a person, or published only.

The endpoint's policy of that moment says which: one that was made stricter while the run worked holds for it too.
A version goes live in one transaction with the end of its run, and only while the champion is the one it was compared
with: a better one that came meanwhile is never replaced unseen.
"""

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from inference.models import Deployment, Endpoint, Version
from inference.services import version_deploy
from jobs.models import TrainingRun
from jobs.training.lineage import actor, champion_of
from jobs.training.steps import Doing, Step

MOST_JUDGED = 3
"""So often a run is judged anew because the champion changed; then a person decides."""
ONCE_A_SLOT = "one_promotion_a_slot"

State, Policy = TrainingRun.State, TrainingRun.Policy


def promote(doing: Doing) -> None:
    """End a run by its endpoint's policy."""
    run, tag, policy = doing.run, doing.run.candidate.tag, doing.run.endpoint.promotion
    if policy != run.policy:
        doing.lease.update(policy=policy)
    if policy == Policy.REGISTER:
        doing.lease.release(state=State.REGISTERED, finished_at=Now())
        doing.say(f"{tag} is published. It answers when somebody deploys it.")
        return
    judged = run.data.get("judged", 1)
    with transaction.atomic():
        changed = champion_besides(_locked(run.endpoint_id), run.champion)
        again = changed is not None and judged < MOST_JUDGED
        if again:
            doing.lease.update(step=Step.JUDGE, data={**run.data, "judged": judged + 1})
    if again:
        doing.say(f"{changed} became champion meanwhile: the version is compared with that one.")
        return
    why = _why_wait(run, policy, changed)
    if why:
        doing.lease.release(state=State.WAITING, detail=why)
        doing.say(f"{tag} waits for approval: {why}")
        return
    _deploy(doing)


def _why_wait(run: TrainingRun, policy: str, changed: str | None) -> str:
    """Why a person has to decide, or nothing."""
    if policy == Policy.APPROVE:
        return "the endpoint's policy asks for it."
    if changed is not None:
        return f"the champion changes again and again; now it is {changed}."
    if not run.gate["measured"]:
        return "how good it is can't be measured, since the data does not say what is true."
    return ""


def _deploy(doing: Doing) -> None:
    run, tag = doing.run, doing.run.candidate.tag
    try:
        with transaction.atomic():
            endpoint = _locked(run.endpoint_id)
            if endpoint.promotion != Policy.DEPLOY or champion_besides(endpoint, run.champion) is not None:
                return  # between the two looks: look again
            doing.lease.release(state=State.DEPLOYED, finished_at=Now())
            deployment = deploy(run, actor(run), f"Retrained by run {run.pk} and better by its gate.")
            TrainingRun.objects.filter(pk=run.pk).update(deployment=deployment)
    except IntegrityError as error:
        if ONCE_A_SLOT not in str(error):
            raise
        reason = f"Another run of slot {run.slot} is live already."
        doing.lease.release(state=State.REGISTERED, finished_at=Now(), detail=reason)
        doing.say(f"{tag} is published only. {reason}")
        return
    doing.say(f"{tag} answers from now on.")


def deploy(run: TrainingRun, actor: str, reason: str) -> Deployment:
    """Make the run's version champion. Call it in the transaction that ends the run."""
    return version_deploy(endpoint=run.endpoint, version=run.candidate, actor=actor, reason=reason)


def _locked(endpoint_id: int) -> Endpoint:
    """The endpoint, whose policy and deployments stay as they are until the transaction's end."""
    return Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)


def champion_besides(endpoint: Endpoint, compared: Version | None) -> str | None:
    """The champion's tag, if it is another version than this; `none` where there is none any more."""
    live = champion_of(TrainingRun(endpoint=endpoint))
    if (live.pk if live else None) == (compared.pk if compared else None):
        return None
    return live.tag if live else "none"
