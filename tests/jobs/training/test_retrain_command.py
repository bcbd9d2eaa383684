"""`manage.py retrain`: asks for a run, shows its log, and says what came of it."""

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError


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
