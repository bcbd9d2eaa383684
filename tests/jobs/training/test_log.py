"""The log of a run, whose lines wait while Postgres is away."""

from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection

from inference.models import Endpoint


def kept(endpoint: Endpoint) -> tuple[Any, Any]:
    """A run and its log."""
    from jobs import leases
    from jobs.models import TrainingRun
    from jobs.training.runs import Log

    run = TrainingRun.objects.create(endpoint=endpoint, algorithm="line", policy="deploy", slot="1")
    lease = leases.claim(TrainingRun.objects.filter(pk=run.pk))
    assert lease is not None
    return run, Log(lease)


def test_lines_wait_while_postgres_ends_the_session(flow: Endpoint) -> None:
    run, log = kept(flow)
    log.say("one")
    with pytest.raises(OperationalError, match="terminat"), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    log.say("two")
    log.say("three")

    assert list(run.lines.values_list("text", flat=True)) == ["one", "two", "three"]


def test_lines_wait_while_the_connection_is_one_that_is_over(flow: Endpoint) -> None:
    run, log = kept(flow)

    def over(*_: Any) -> None:
        raise InterfaceError("connection already closed")

    with connection.execute_wrapper(over):
        log.say("one")
    log.say("two")

    assert list(run.lines.values_list("text", flat=True)) == ["one", "two"]
