"""Training runs: asked for, approved, rejected, cancelled."""

import datetime
import uuid

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from inference.errors import EndpointRetired, NotFound
from inference.models import Endpoint, Version
from inference.services import control_log_write
from jobs.errors import ChampionChanged, GateFailed, JobState, RunInProgress
from jobs.models import RunLine, TrainingRun
from jobs.training.promotion import ONCE_A_SLOT, champion_besides, deploy
from jobs.wakeups import TRAINING, wake

State = TrainingRun.State
OPEN = (State.QUEUED, State.RUNNING)
_KEPT_DATA = ("file", "sha256", "code", "rows", "left_out")


def training_run_start(
    *,
    endpoint: Endpoint,
    algorithm: str,
    actor: str,
    reason: str,
    feedback_since: datetime.datetime | None = None,
    repeated: TrainingRun | None = None,
    schedule: str = "",
    slot: str = "",
    credential_id: int | None = None,
    user: AbstractBaseUser | None = None,
) -> TrainingRun:
    """Ask for a retraining. Workers are woken up behind the commit.

    Args:
        feedback_since: feedback received from then on is learnt from; None for all whose prediction is still there.
        repeated: learn from the frozen data of this run instead.
        schedule, slot: of a schedule: which, and when it was due. A second run of one slot is not made.

    Returns:
        The run; of a slot that has one already, that one.

    Raises:
        EndpointRetired: the endpoint answers no more.
        NotFound: the algorithm has no version that fits the endpoint, or the repeated run has no data any more.
        RunInProgress: one of the same endpoint and algorithm is not over.
    """
    if endpoint.retired_at is not None:
        raise EndpointRetired(endpoint.slug)
    fitting = Version.objects.filter(endpoint=endpoint, signature_digest=endpoint.signature_digest)
    if not fitting.filter(algorithm=algorithm).exists():
        raise NotFound(f"An algorithm {algorithm[:64]!r} with a version that fits {endpoint.slug}")
    if repeated is not None and (repeated.endpoint_id != endpoint.pk or "file" not in repeated.data):
        raise NotFound(f"Data of run {repeated.pk} for {endpoint.slug}")
    id_ = uuid.UUID(str(TrainingRun._meta.pk.get_default()))
    try:
        with transaction.atomic():
            run = TrainingRun.objects.create(
                id=id_,
                endpoint=endpoint,
                algorithm=algorithm,
                policy=endpoint.promotion,
                feedback_since=repeated.feedback_since if repeated else feedback_since,
                data={name: repeated.data[name] for name in _KEPT_DATA} if repeated else {},
                reason=reason,
                created_by=actor,
                schedule=schedule,
                slot=slot or id_.hex,
                credential_id=credential_id,
                user=user,
            )
            after = {"algorithm": algorithm, "policy": run.policy, "schedule": schedule}
            control_log_write(actor=actor, action="training_run.start", target=run, after=after, reason=reason)
            wake(TRAINING)
    except IntegrityError:
        earlier = TrainingRun.objects.filter(schedule=schedule, slot=slot).first() if slot else None
        if earlier is not None:
            return earlier
        under_way = TrainingRun.objects.filter(endpoint=endpoint, algorithm=algorithm, state__in=OPEN).first()
        if under_way is None:
            raise
        raise RunInProgress(under_way.pk) from None
    return run


def training_run_approve(*, run: TrainingRun, actor: str, reason: str, replacing: str | None = None) -> TrainingRun:
    """Make the version of a waiting run live.

    Args:
        replacing: the tag of the champion that the approver has seen; by default the one the run was judged against.

    Raises:
        GateFailed: the gate refused it.
        JobState: it does not wait for approval.
        ChampionChanged: another version is champion by now than the one to be replaced.
        EndpointRetired, SignatureMismatch: the endpoint is not what it was.
    """
    if run.state == State.REFUSED:
        raise GateFailed(one["rule"] for one in run.gate.get("verdicts", ()) if not one["passed"])
    try:
        with transaction.atomic():
            run = _waiting(run, "approved")
            compared = run.champion.tag if run.champion else "none"
            endpoint = Endpoint.objects.select_for_update(no_key=True).get(pk=run.endpoint_id)
            now = champion_besides(endpoint, run.champion) or compared
            if now != (replacing or compared):
                raise ChampionChanged(now, replacing or compared)
            run.state, run.finished_at = State.DEPLOYED, Now()
            _decided(run, actor, reason)
            run.deployment = deploy(run, actor, f"{reason} (training run {run.pk})".strip())
            run.save(update_fields=["deployment"])
            control_log_write(actor=actor, action="training_run.approve", target=run, reason=reason)
    except IntegrityError as error:
        if ONCE_A_SLOT not in str(error):
            raise
        raise JobState("approved", "of a slot from which another run is live", [State.WAITING]) from None
    return run


@transaction.atomic
def training_run_reject(*, run: TrainingRun, actor: str, reason: str) -> TrainingRun:
    """Decide against the version of a waiting run. It stays published.

    Raises:
        JobState: the run does not wait for approval.
    """
    run = _waiting(run, "rejected")
    run.state, run.finished_at = State.REJECTED, Now()
    _decided(run, actor, reason)
    control_log_write(actor=actor, action="training_run.reject", target=run, reason=reason)
    return run


@transaction.atomic
def training_run_cancel(*, run: TrainingRun, actor: str, reason: str = "") -> TrainingRun:
    """End a run that is not over. A worker that is at it finds its lease gone, and ends its process at once.

    Raises:
        JobState: it is over, or waits for approval, where rejecting is meant.
    """
    run = TrainingRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if run.state not in OPEN:
        raise JobState("cancelled", run.state, OPEN)
    # Its lease is taken: nothing that the worker writes from now on counts.
    TrainingRun.objects.filter(pk=run.pk).update(
        state=State.CANCELLED,
        leased_until=None,
        finished_at=Now(),
        decided_by=actor,
        detail=reason,
    )
    RunLine.objects.create(run=run, text=f"cancelled by {actor}" + (f": {reason}" if reason else ""))
    control_log_write(actor=actor, action="training_run.cancel", target=run, reason=reason)
    run.refresh_from_db()
    return run


def _waiting(run: TrainingRun, action: str) -> TrainingRun:
    """The run's row, locked, once it is found to wait for approval."""
    locked = TrainingRun.objects.select_for_update(of=("self",))
    run = locked.select_related("endpoint", "champion", "candidate").get(pk=run.pk)
    if run.state != State.WAITING:
        raise JobState(action, run.state, [State.WAITING])
    return run


def _decided(run: TrainingRun, actor: str, reason: str) -> None:
    run.decided_by, run.detail = actor[:150], reason
    run.save(update_fields=["state", "finished_at", "decided_by", "detail"])
    run.refresh_from_db(fields=["finished_at"])
    RunLine.objects.create(run=run, text=f"{run.state} by {actor}" + (f": {reason}" if reason else ""))
