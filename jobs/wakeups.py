"""Wake-ups: messages that tell workers to look at the tables.

Nothing depends on one arriving: the sweeper sends them again. So they are sent behind the request that caused them,
from a thread, with little patience, and are dropped when Redis does not take them.
"""

import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import structlog
from celery import current_app
from django.db import transaction

MOST_WAITING = 100
BATCH, TRAINING = "jobs.batch_work", "jobs.training_work"
_SOON = {"max_retries": 0}

logger = structlog.get_logger(__name__)


def wake(task: str, *, times: int = 1, **arguments: Any) -> None:
    """Send a wake-up once the current transaction has committed, without waiting for it.

    Args:
        task: the task's name; what it is told is only a hint where to look first.
        times: how many workers may find something to do.
    """
    transaction.on_commit(partial(_send_soon, task, times, arguments))


def _send_soon(task: str, times: int, arguments: Mapping[str, Any]) -> None:
    sender, places = _sender(os.getpid())
    if places.acquire(blocking=False):
        sender.submit(_send, task, times, arguments).add_done_callback(lambda _: places.release())


def _send(task: str, times: int, arguments: Mapping[str, Any]) -> None:
    try:
        for _ in range(times):
            current_app.send_task(task, kwargs=dict(arguments), retry=False, retry_policy=_SOON)
    except Exception as error:  # noqa: BLE001 - whatever the broker's client raises: the sweeper sends it again
        logger.warning("workers could not be woken up; the sweeper will do it", task=task, reason=repr(error))


@cache
def _sender(process: int) -> tuple[ThreadPoolExecutor, threading.Semaphore]:
    """The sending thread, and the places in its queue. Of each process its own: no thread comes along when a worker
    forks, and nobody would free the places that were taken at that moment.
    """
    return ThreadPoolExecutor(1, thread_name_prefix="wakeups"), threading.BoundedSemaphore(MOST_WAITING)
