"""`manage.py retrain`: asks for a run, shows its log, and says what came of it."""

import io
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

# What trains gives way to all else: on a busy machine it takes its time.
pytestmark = pytest.mark.timeout(600)


def retrained(*words: str) -> list[str]:
    """What the command says."""
    output = io.StringIO()
    call_command("retrain", *words, stdout=output)
    return output.getvalue().splitlines()


def test_a_run_is_done_here_with_its_log(boiler: Any) -> None:
    from jobs.models import TrainingRun

    said = retrained("boiler-service", "plain", "--here", "--days", "30", "--reason", "because")
    run = TrainingRun.objects.get()

    assert (run.state, run.reason, run.created_by.partition(" ")[0]) == ("deployed", "because", "command:retrain")
    assert run.feedback_since is not None
    assert said[0] == f"training run {run.pk}"
    assert [line.partition(" ")[2] for line in said[1:-1]] == [one.text for one in run.lines.all()]
    assert said[-1] == "deployed: plain-1.0.1"


def test_what_can_not_be_asked_for_is_one_line(boiler: Any) -> None:
    from jobs.models import TrainingRun
    from jobs.services import training_run_cancel, training_run_start

    training_run_start(endpoint=boiler, algorithm="plain", actor="ann", reason="")
    with pytest.raises(CommandError, match="is not over yet"):
        retrained("boiler-service", "plain")
    training_run_cancel(run=TrainingRun.objects.get(), actor="ann")
    with pytest.raises(CommandError, match="An algorithm 'spline'"):
        retrained("boiler-service", "spline")
    with pytest.raises(CommandError, match="was not found"):
        retrained("boiler-service", "plain", "--data-of", "01a20470-0000-7000-8000-000000000000")


def test_a_run_that_the_gate_refuses_says_by_which_rule(boiler: Any, artifacts: Path) -> None:
    params = artifacts / "boilers" / "plain" / "params.toml"
    params.write_text(params.read_text().replace("minimum = 0.7", "minimum = 1.0\nminimum_rows = 99999"))

    with pytest.raises(CommandError, match="refused by the gate: minimum_rows, minimum"):
        retrained("boiler-service", "plain", "--here")


def test_a_run_that_a_worker_took_first_is_followed_to_its_end(boiler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs import leases
    from jobs.models import TrainingRun
    from jobs.services import training_run_cancel
    from jobs.training import runs

    def ends() -> None:
        try:
            training_run_cancel(run=TrainingRun.objects.get(), actor="ann", reason="too soon")
        finally:
            connection.close()

    def late(*, run: Any, work: Any = runs.work) -> bool:
        assert leases.claim(TrainingRun.objects.all(), state="running")
        worker.start()
        return bool(work(run=run))

    worker = threading.Timer(1.5, ends)
    monkeypatch.setattr(runs, "work", late)
    with pytest.raises(CommandError, match=r"^cancelled: too soon$"):
        retrained("boiler-service", "plain", "--here")
    worker.join()


def test_days_and_the_data_of_another_run_exclude_each_other() -> None:
    with pytest.raises(CommandError, match="not allowed with argument"):
        retrained("boiler-service", "plain", "--days", "3", "--data-of", "01a20470-0000-7000-8000-000000000000")
