"""Whole training runs, with their limited processes."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from inference.engine import loader
from inference.engine import manifest as manifests
from inference.engine.store import FolderStore
from inference.ids import prediction_id
from tests.bucket import CREDENTIAL, S3Server

# What trains gives way to all else: on a busy machine it takes its time.
pytestmark = pytest.mark.timeout(600)


def tried(endpoint: Any, algorithm: str = "plain", **said: Any) -> Any:
    """A run that was asked for and worked on, to its end."""
    from jobs.services.training import training_run_start
    from jobs.training import runs

    run = training_run_start(endpoint=endpoint, algorithm=algorithm, actor="ann", reason="spring", **said)
    assert runs.work()
    run.refresh_from_db()
    return run


def log(run: Any) -> list[str]:
    """The lines of a run's log."""
    return list(run.lines.values_list("text", flat=True))


def taught(endpoint: Any, rows: int, label: str | None = None) -> None:
    """Feedback on so many predictions: true by the boilers' own rule, or always this label."""
    from inference.models import Feedback, Prediction
    from tests.jobs.answered import settle

    version = endpoint.versions.first()
    for at in range(rows):
        flue, starts = 80 + at % 220 + 0.25, (at * 37) % 20000
        prediction = Prediction.objects.create(
            id=prediction_id(),
            endpoint=endpoint,
            version=version,
            source=2,
            request_id=prediction_id(),
            features=[flue, starts, at, "gas"],
            output={},
        )
        true = "due" if flue + starts / 100 > 310 else "well"
        Feedback.objects.create(
            prediction=prediction, endpoint=endpoint, source="user:ann", revision=1, value=label or true
        )
    settle()


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


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("raise KeyError('depth')", "training_failed", "can't be fitted: KeyError"),
        ("import os; os.abort()", "training_killed", "crash: it ended with signal 6"),
    ],
)
def test_a_run_that_fails_says_why_and_touches_nothing(
    boiler: Any, artifacts: Path, settings: Any, body: str, code: str, said: str
) -> None:
    from inference.models import Deployment, Version
    from inference.services import release_deploy

    _broken(artifacts / "boilers", f"def build(params, seed):\n    {body}\n")
    release_deploy(artifacts=artifacts, into=FolderStore(settings.STORE_DIR), actor="test")
    run = tried(boiler, "broken")

    assert (run.state, run.code) == ("failed", code), log(run)
    assert said in run.detail
    assert log(run)[-1].startswith(f"failed: {code}")
    assert any('algorithm.py", line 2' in line for line in log(run)) is (code == "training_failed")
    assert Version.objects.count() == 2
    assert Deployment.objects.get().version.tag == "plain-1.0.0"


def test_code_that_changed_since_the_newest_version_is_trained_for_git_first(boiler: Any, artifacts: Path) -> None:
    params = artifacts / "boilers" / "plain" / "params.toml"
    params.write_text(params.read_text().replace("C = 2.0", "C = 3.0"))
    run = tried(boiler)

    assert (run.state, run.code) == ("failed", "algorithm_invalid")
    assert "plain-1.0.0" in run.detail
    assert "--version 1.1.0" in run.detail


def test_inputs_that_changed_in_git_are_deployed_first(boiler: Any, artifacts: Path) -> None:
    toml = artifacts / "boilers" / "endpoint.toml"
    toml.write_text(toml.read_text().replace("max = 400", "max = 500"))
    run = tried(boiler)

    assert (run.state, run.code) == ("failed", "data_invalid")
    assert "--major" in run.detail


def test_code_that_changes_while_the_run_works_makes_no_patch(
    boiler: Any, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inference.models import Version

    def pull() -> None:
        code = artifacts / "boilers" / "plain" / "algorithm.py"
        code.write_text(code.read_text() + "# tuned\n")

    _behind(monkeypatch, "select", pull)
    run = tried(boiler)

    assert (run.state, run.code, run.step) == ("failed", "algorithm_invalid", "fit")
    assert "boilers/plain/algorithm.py: is not what made plain-1.0.0" in run.detail
    assert Version.objects.count() == 1


def test_what_its_pickle_may_name_is_not_for_the_process_to_say(boiler: Any, artifacts: Path, settings: Any) -> None:
    from inference.models import Version
    from inference.services import release_deploy

    text = """
import functools
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.compose import make_column_transformer
from jobs.training import version
version.Manifest = functools.partial(lambda made, **said: made(**said | {"distributions": ("pip",)}), version.Manifest)

def build(params, seed):
    return make_pipeline(make_column_transformer(("passthrough", ["starts"])), LogisticRegression())
"""
    _broken(artifacts / "boilers", text)
    release_deploy(artifacts=artifacts, into=FolderStore(settings.STORE_DIR), actor="test")
    run = tried(boiler, "broken")

    assert (run.state, run.code) == ("failed", "training_failed"), log(run)
    assert "another version than it was asked for" in run.detail
    assert Version.objects.count() == 2


def test_a_champion_that_may_know_rows_held_out_is_named(boiler: Any, artifacts: Path) -> None:
    assert tried(boiler).report["held_out"]["known"] is None
    data = artifacts / "boilers" / "data" / "boilers.csv"
    data.write_text(data.read_text() + "100,7,1,gas,0\n" * 20)
    run = tried(boiler)

    assert run.report["held_out"]["known"].startswith("the base data is not what plain-1.0.1 was made from")
    assert any("may know rows held out" in line for line in log(run))


@pytest.mark.parametrize(
    ("step", "folder", "said"),
    [
        ("select", "training/data", "the frozen data is not kept any more. Start a run that selects its own."),
        ("fit", "training/runs", "what was fitted is not in the storage any more. Start another run."),
    ],
)
def test_files_of_a_run_that_are_gone_are_named(
    boiler: Any, monkeypatch: pytest.MonkeyPatch, step: str, folder: str, said: str
) -> None:
    from jobs import storage

    _behind(monkeypatch, step, lambda: storage.drop(folder))
    run = tried(boiler)

    assert (run.state, run.code) == ("failed", "data_invalid"), log(run)
    assert run.detail.endswith(said)


def test_a_row_that_postgres_refuses_fails_the_run_at_once(boiler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.training import runs

    monkeypatch.setitem(runs._STEPS, "select", ("selecting data", lambda doing: doing.lease.update(step="x" * 99)))
    run = tried(boiler)

    assert (run.state, run.code) == ("failed", "internal")
    assert "DataError" in run.detail


def test_a_storage_that_is_away_does_not_count_as_a_failure(
    boiler: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.conf import settings as known

    away = S3Server()
    for name, value in CREDENTIAL.items():
        monkeypatch.setenv(name, value)
    before = known.STORAGES
    settings.STORAGES = before | away.bucket().storages
    away.stop()
    run = tried(boiler)
    assert (run.state, run.step, run.attempts) == ("running", "select", 0), log(run)
    assert log(run)[-1] == "The step was broken off (StorageUnavailable). It is begun anew within a minute."

    settings.STORAGES = before
    type(run).objects.update(leased_until=None)
    assert runs_work()
    run.refresh_from_db()
    assert run.state == "deployed", log(run)


def runs_work() -> bool:
    """Work on what there is."""
    from jobs.training import runs

    return runs.work()


def _behind(monkeypatch: pytest.MonkeyPatch, step: str, then: Any) -> None:
    """Have something happen behind a step."""
    from jobs.training import runs

    words, do = runs._STEPS[step]

    def both(doing: Any) -> None:
        do(doing)
        then()

    monkeypatch.setitem(runs._STEPS, step, (words, both))


def _broken(endpoint: Path, text: str) -> None:
    """An algorithm whose first version looks as if this code had made it."""
    shutil.copytree(endpoint / "plain", endpoint / "broken")
    (endpoint / "broken" / "algorithm.py").write_text(text)
    path = endpoint / "broken" / "1.0.0" / manifests.NAME
    manifest = manifests.read(path.read_bytes())
    code = {name.replace("plain", "broken"): sha256 for name, sha256 in manifest.code.items()}
    code["broken/algorithm.py"] = manifests.sha256(text.encode())
    path.chmod(0o644)
    path.write_bytes(manifests.written(msgspec.structs.replace(manifest, algorithm="broken", code=code)))
