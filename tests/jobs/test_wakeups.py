"""Wake-ups are sent behind whoever asks for them, from a thread of each process's own."""

import os
import threading
from collections.abc import Iterator

import pytest

from jobs import wakeups
from tests.project.children import until


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Redis does not take messages until the event is set."""
    go_on = threading.Event()
    wakeups._sender.cache_clear()
    monkeypatch.setattr(wakeups, "_send", lambda *_: go_on.wait(30))
    yield go_on
    go_on.set()
    wakeups._sender(os.getpid())[0].shutdown()
    wakeups._sender.cache_clear()


def test_no_more_wake_ups_wait_than_there_are_places(hanging: threading.Event) -> None:
    for _ in range(wakeups.MOST_WAITING + 5):
        wakeups._send_soon(wakeups.BATCH, 1, {})

    sender, places = wakeups._sender(os.getpid())
    assert not places.acquire(blocking=False)
    # One of them is being sent.
    until(lambda: sender._work_queue.qsize() == wakeups.MOST_WAITING - 1)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_all_its_places(hanging: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(wakeups.MOST_WAITING):
        wakeups._send_soon(wakeups.BATCH, 1, {})

    child = os.fork()
    if not child:
        sent = threading.Event()
        monkeypatch.setattr(wakeups, "_send", lambda *_: sent.set())
        wakeups._send_soon(wakeups.BATCH, 1, {})
        os._exit(0 if sent.wait(20) else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
