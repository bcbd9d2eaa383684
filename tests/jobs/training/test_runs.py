"""Whole training runs, with their limited processes."""

from pathlib import Path
from typing import Any

import pytest

from inference.engine import loader
from inference.engine.store import FolderStore
from tests.jobs.training.boiler_runs import log, taught, tried

# What trains gives way to all else: on a busy machine it takes its time.
pytestmark = pytest.mark.timeout(600)


def test_a_better_or_equal_version_goes_live_with_its_history(boiler: Any, settings: Any) -> None:
    from inference.models import ControlLog, Deployment

    taught(boiler, 100)
    run = tried(boiler)

    assert (run.state, run.code, run.detail) == ("deployed", "", ""), log(run)
    assert (run.champion.tag, run.candidate.tag, run.candidate.origin) == ("plain-1.0.0", "plain-1.0.1", "retraining")
    assert run.data["rows"] == {"base": 240, "feedback": 100}
    assert run.report["held_out"]["base"] == 48
    assert 5 < run.report["held_out"]["feedback"] < 50
    assert set(run.report["plots"]) == {"roc", "reliability", "confusion", "importances"}
    assert run.report["candidate"]["metrics"]["rows"] == run.report["held_out"]["rows"]
    assert [one["rule"] for one in run.gate["verdicts"]] == [
        "minimum_rows",
        "minimum",
        "maximum_loss",
        "maximum_base_loss",
        "latency_ms",
        "served_by",
    ]
    live = Deployment.objects.get(ended_at=None)
    assert (live, live.version, live.actor) == (run.deployment, run.candidate, "training by ann")
    assert str(run.pk) in live.reason
    assert list(ControlLog.objects.order_by("id").values_list("action", flat=True))[-3:] == [
        "training_run.start",
        "version.publish",
        "version.deploy",
    ]
    place = FolderStore(settings.STORE_DIR).path(run.candidate.digest)
    assert loader.load(place, digest=run.candidate.digest).predict([(300.0, 19000, 1, "wood")])
    assert run.candidate.manifest["data"]["selected.ndjson"] == {"sha256": run.data["sha256"], "rows": 340}
    assert not (settings.FORETELL_HOME / "uploads" / "training" / "runs" / str(run.pk)).exists()
    words = log(run)
    assert [
        words.index(step) for step in ("selecting data", "fitting", "measuring and judging", "publishing")
    ] == sorted(words.index(step) for step in ("selecting data", "fitting", "measuring and judging", "publishing"))
    assert not [line for line in words if "Warning" in line]


def test_without_feedback_the_model_is_the_one_in_git_to_the_bit_and_so_is_a_repetition(
    boiler: Any, artifacts: Path, settings: Any
) -> None:
    first = tried(boiler)
    taught(boiler, 20)
    again = tried(boiler, repeated=first)
    store = FolderStore(settings.STORE_DIR)
    models = [store.path(run.candidate.digest) / "model.joblib" for run in (first, again)]

    assert models[0].read_bytes() == (artifacts / "boilers" / "plain" / "1.0.0" / "model.joblib").read_bytes()
    assert models[0].read_bytes() == models[1].read_bytes()
    assert (again.candidate.tag, again.data["sha256"]) == ("plain-1.0.2", first.data["sha256"])


def test_what_the_gate_refuses_is_published_nowhere(boiler: Any) -> None:
    from inference.models import Deployment, Version

    taught(boiler, 300, label="due")
    run = tried(boiler)

    assert run.state == "refused", run.gate
    failed = [one["rule"] for one in run.gate["verdicts"] if not one["passed"]]
    assert "maximum_base_loss" in failed
    assert run.candidate is None
    assert Version.objects.count() == 1
    assert Deployment.objects.get().version.tag == "plain-1.0.0"


def test_a_champion_that_may_know_rows_held_out_is_named(boiler: Any, artifacts: Path) -> None:
    assert tried(boiler).report["held_out"]["known"] is None
    data = artifacts / "boilers" / "data" / "boilers.csv"
    data.write_text(data.read_text() + "100,7,1,gas,0\n" * 20)
    run = tried(boiler)

    assert run.report["held_out"]["known"].startswith("the base data is not what plain-1.0.1 was made from")
    assert any("may know rows held out" in line for line in log(run))
