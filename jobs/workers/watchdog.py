"""Whether a worker still hears its queues: a Celery worker may stay connected to a Redis that was restarted, and deaf.

Each worker sends a message to itself, by a queue of its own, which it must hear. One that is at rest and missed two of
them while Redis answered ends itself, and whoever watches over it starts it again.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from celery import Celery
from celery.worker import state
from django.conf import settings
from kombu import Exchange, Queue

TASK = "jobs.canary"
OWN_QUEUE = ".own"
"""How the name of a worker's own queue ends; the worker's name comes before it."""
MISSES = 2
PATIENCE_S = 15.0
"""How long a worker that was told to end may take before it is ended the hard way."""
KEPT_S = 600
"""How long Redis keeps the messages of a worker that is gone."""
_ANSWER_S = 2.0

logger = structlog.get_logger(__name__)


def own_queue(name: str) -> Queue:
    """The queue of the worker of that name: without an exchange, whose bindings would be lost with Redis."""
    return Queue(name + OWN_QUEUE, Exchange("", type="direct"), routing_key=name + OWN_QUEUE)


class Watchdog:
    """Listens for one worker's own messages. `look` is called now and then, `heard` when one arrives.

    Args:
        name: the worker's, as Celery names it.
        end: called once the worker counts as deaf.
    """

    def __init__(self, app: Celery, name: str, end: Callable[[], None]) -> None:
        self._app = app
        self._name = name
        self._end = end
        self._heard = threading.Event()
        self._sent = False
        self._missed = 0

    def heard(self) -> None:
        """A message arrived."""
        self._heard.set()

    def look(self) -> None:
        """See whether the last message arrived, and send the next one."""
        resting = not state.reserved_requests and not state.active_requests
        if self._sent and not self._heard.is_set() and resting:
            self._missed += 1
            logger.warning("this worker did not hear its own message", missed=self._missed)
        else:
            self._missed = 0
        self._sent = False
        if self._missed >= MISSES:
            logger.error("this worker is deaf: it ends itself, to be started again")
            self._end()
            return
        self._heard.clear()
        self._sent = self._send()

    def _send(self) -> bool:
        """Send a message to this worker; whether Redis took it."""
        client = redis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=_ANSWER_S, socket_timeout=_ANSWER_S, retry=None
        )
        try:
            client.ping()
            self._app.send_task(TASK, queue=own_queue(self._name), declare=[], retry=False)
            client.expire(self._name + OWN_QUEUE, KEPT_S)
        except Exception as error:  # noqa: BLE001 - whatever the broker's client raises: Redis is away, not the worker deaf
            logger.info("Redis does not take the worker's own message", reason=repr(error))
            return False
        finally:
            client.close()
        return True


def end_worker() -> None:
    """End this worker: in good order if it can, for sure a while later."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE_S)
    os.kill(os.getpid(), signal.SIGKILL)


_listening: list[Watchdog] = []


def listen(watchdog: Watchdog) -> None:
    """Let a watchdog hear what arrives in this process."""
    _listening[:] = [watchdog]


def hear(task: Any, app: Any, consumer: Any) -> Callable[..., None]:
    """The strategy of the canary's task: Celery calls it for each message in the main process, none is worked on."""

    def on_message(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> None:
        ack(logging.getLogger(__name__), consumer.connection_errors)
        for watchdog in _listening:
            watchdog.heard()

    return on_message
