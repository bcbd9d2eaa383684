"""What nobody else brings to an end: work whose worker died, jobs whose end was missed, wake-ups that were lost.

Any worker may do it at any time, several at once too: each step takes what it finds at that moment, or nothing.
"""

import datetime

import redis
import structlog
from django.conf import settings
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now

from jobs.batch import chunks, reading
from jobs.leases import MOST_ATTEMPTS, POISON, claimable, end_stopped
from jobs.models import BatchJob, Chunk, TrainingRun, Worker
from jobs.replay import replay
from jobs.training import workplace
from jobs.wakeups import BATCH, TRAINING, wake

EVERY_S = 10.0
SILENT_S = 30
"""A worker not seen for so long counts as gone."""
FORGOTTEN_S = 24 * 3600
MOST_SENT = 64
"""Wake-ups sent by one round."""
_PATIENCE_S = 2.0

logger = structlog.get_logger(__name__)


def sweep() -> None:
    """One round: give up what ended its workers, finish what is done, wake up workers for what can be taken."""
    for model in (BatchJob, Chunk, TrainingRun):
        end_stopped(model)
    chunks.poison()
    reading.give_up()
    replay.give_up()
    _give_up_runs()
    _finish_jobs()
    _wake(BATCH, "batch", _takeable_batch())
    _wake(TRAINING, "training", _takeable_runs())
    # Last: what lies in a folder that everybody may write to must not keep the rest from being done.
    workplace.tidy()


def say_alive(name: str, queues: list[str]) -> None:
    """Write down that a worker lives, and forget those that were not heard of for a day."""
    worker = Worker(name=name, queues=queues, seen_at=Now())
    Worker.objects.bulk_create(
        [worker], update_conflicts=True, unique_fields=["name"], update_fields=["queues", "seen_at"]
    )
    Worker.objects.filter(seen_at__lt=Now() - datetime.timedelta(seconds=FORGOTTEN_S)).delete()


def _give_up_runs() -> None:
    state = TrainingRun.State
    TrainingRun.objects.filter(
        claimable(), state__in=[state.QUEUED, state.RUNNING], attempts__gte=MOST_ATTEMPTS
    ).update(
        state=state.FAILED,
        finished_at=Now(),
        code=POISON,
        detail=f"{MOST_ATTEMPTS} workers began this run, and each of them ended, or lost Postgres or the storage.",
        # A holder that was only stopped, and wakes up, finds no lease.
        token=F("token") + 1,
        leased_until=None,
    )


def _finish_jobs() -> None:
    """Jobs whose last chunks ended at the same moment, or whose worker died between a chunk's end and theirs."""
    state = BatchJob.State
    left = Chunk.objects.filter(job=OuterRef("pk"), state__in=[Chunk.State.WAITING, Chunk.State.RUNNING])
    ended = BatchJob.objects.filter(~Exists(left), state__in=[state.RUNNING, state.PAUSED], rows__isnull=False)
    for pk in ended.values_list("pk", flat=True):
        chunks.job_finish(pk)


def _takeable_batch() -> int:
    free = chunks.waiting().filter(claimable()).order_by()[:MOST_SENT].count()
    free += reading.unread().filter(claimable()).order_by()[:MOST_SENT].count()
    return free + replay.unreported().filter(claimable()).order_by()[:MOST_SENT].count()


def _takeable_runs() -> int:
    state = TrainingRun.State
    open_runs = TrainingRun.objects.filter(state__in=[state.QUEUED, state.RUNNING], attempts__lt=MOST_ATTEMPTS)
    return open_runs.filter(claimable())[:MOST_SENT].count()


def _wake(task: str, queue: str, takeable: int) -> None:
    """Send as many wake-ups as there is work for, less those that wait already."""
    if not takeable:
        return
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=_PATIENCE_S, socket_timeout=_PATIENCE_S, retry=None
    )
    try:
        missing = min(takeable, MOST_SENT) - int(client.llen(queue))  # type: ignore[arg-type]
    except (OSError, redis.RedisError) as error:
        logger.warning("Redis is away: work waits until it is back", reason=str(error))
        return
    finally:
        client.close()
    if missing > 0:
        wake(task, times=missing)
