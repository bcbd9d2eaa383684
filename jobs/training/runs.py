"""Working on training runs: a worker holds one, takes it from the step it is at to its end, and writes its log."""

import contextlib
import errno
from collections.abc import Callable

import structlog
from django.db import DatabaseError, DataError, InterfaceError, OperationalError, connection
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from inference.engine.errors import ForetellError
from jobs import leases, storage
from jobs.errors import LeaseLost, StorageFull, StorageUnavailable
from jobs.leases import Heartbeat, Lease
from jobs.models import RunLine, TrainingRun
from jobs.training import steps
from jobs.training.promotion import promote
from jobs.training.steps import RUNS, Doing, Step

State = TrainingRun.State
OPEN = (State.QUEUED, State.RUNNING)
FULL = (errno.ENOSPC, errno.EDQUOT)
_AWAY = ("08", "40", "53", "57")
"""Classes of SQLSTATE that are no fault of the run: no connection, a deadlock, no room, a server that ends."""
_TOO_LONG = "57014"
"""Of a statement that took too long, which it may do again."""

logger = structlog.get_logger(__name__)


class Stopped(Exception):
    """The worker is to end; somebody else goes on with the run."""


_STEPS: dict[str, tuple[str, Callable[[Doing], None]]] = {
    Step.SELECT: ("selecting data", steps.select),
    Step.FIT: ("fitting", steps.fit),
    Step.JUDGE: ("measuring and judging", steps.judge),
    Step.PUBLISH: ("publishing", steps.publish),
    Step.PROMOTE: ("promoting", promote),
}


def work(*, stopping: Callable[[], bool] = lambda: False, run: TrainingRun | None = None) -> bool:
    """Hold a run that nobody holds and take it to its end.

    Args:
        stopping: asked all the time; when it says so, the run is given back and its step done again by another.
        run: this one, or none.

    Returns:
        Whether there was one.
    """
    waiting = TrainingRun.objects.filter(state__in=OPEN, attempts__lt=leases.MOST_ATTEMPTS).order_by("id")
    if run is not None:
        waiting = waiting.filter(pk=run.pk)
    lease = leases.claim(waiting, state=State.RUNNING, started_at=Coalesce(F("started_at"), Now()))
    if lease is None:
        return False
    with leases.held(lease) as heartbeat:
        _work(lease, Log(lease), heartbeat, stopping)
    return True


class Log:
    """The log of a run. While Postgres is away its lines wait."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._waiting: list[str] = []

    def say(self, text: str) -> None:
        """Write a line; it is there for everyone at once."""
        self._waiting.append(text.replace("\x00", ""))
        try:
            RunLine.objects.bulk_create(RunLine(run_id=self._lease.id, text=line) for line in self._waiting)
        except (OperationalError, InterfaceError):
            connection.close()
        else:
            self._waiting.clear()


def _work(lease: Lease, log: Log, heartbeat: Heartbeat, stopping: Callable[[], bool]) -> None:
    """Do step after step. Whatever ends it early leaves what is served as it was."""
    try:
        while _step(lease, log, heartbeat, stopping):
            pass
    except LeaseLost:
        logger.info("a training run is somebody else's, or was cancelled", run=str(lease.id))
        _forget(lease)
    except Stopped:
        log.say("The worker ends; another one goes on.")
        lease.forgo()
    except ForetellError as error:
        if isinstance(error, StorageUnavailable):
            _leave(lease, log, error)
        else:
            _fail(lease, log, error.code, str(error))
    except Exception as error:
        if isinstance(error, DatabaseError | InterfaceError) and not isinstance(error, DataError):
            _leave(lease, log, error)
        elif isinstance(error, OSError) and error.errno in FULL:
            _fail(lease, log, StorageFull.code, str(StorageFull()))
        else:
            logger.exception("a training run failed", run=str(lease.id))
            _fail(lease, log, "internal", f"{type(error).__name__}: the worker's log has it under run {lease.id}.")


def _step(lease: Lease, log: Log, heartbeat: Heartbeat, stopping: Callable[[], bool]) -> bool:
    """Do the step the run is at, and say whether there is another one."""
    run = TrainingRun.objects.select_related("endpoint", "champion", "candidate__endpoint").get(pk=lease.id)
    if run.token == lease.token and run.state != State.RUNNING:
        storage.discard(f"{RUNS}/{run.pk}")
        return False

    def check() -> None:
        heartbeat.check()
        if stopping():
            raise Stopped
        try:
            held = lease.row().exists()
        except (OperationalError, InterfaceError):
            # Whether the lease lasts is for the heartbeat to find out, which has more patience.
            connection.close()
            return
        if not held:
            raise LeaseLost("training run", lease.id)

    check()
    words, do = _STEPS[run.step]
    log.say(words)
    do(Doing(run=run, lease=lease, say=log.say, check=check))
    return True


def _leave(lease: Lease, log: Log, error: Exception) -> None:
    """Let its lease end by itself: whoever takes it next begins this step anew."""
    logger.warning("a training run was left", run=str(lease.id), reason=str(error).strip())
    connection.close()
    with contextlib.suppress(LeaseLost, DatabaseError):
        # Three short outages must not make a failure of it.
        lease.update(attempts=F("attempts") - (1 if _is_away(error) else 0))
        log.say(f"The step was broken off ({type(error).__name__}). It is begun anew within a minute.")


def _is_away(error: Exception) -> bool:
    """Whether an error says that Postgres or the storage can't be reached, and nothing of the run itself."""
    if isinstance(error, StorageUnavailable):
        return not storage.refused(error)
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or (state[:2] in _AWAY and state != _TOO_LONG)


def _forget(lease: Lease) -> None:
    """Drop what a cancelled run has left; of one that somebody else holds nothing, since they may go on with it."""
    if TrainingRun.objects.filter(pk=lease.id, state=State.CANCELLED).exists():
        storage.discard(f"{RUNS}/{lease.id}")


def _fail(lease: Lease, log: Log, code: str, detail: str) -> None:
    try:
        lease.release(state=State.FAILED, finished_at=Now(), code=code, detail=detail)
        log.say(f"failed: {code}: {detail}")
        storage.discard(f"{RUNS}/{lease.id}")
    except (LeaseLost, DatabaseError) as error:
        logger.warning("that a training run failed could not be written down", run=str(lease.id), reason=str(error))
        connection.close()
