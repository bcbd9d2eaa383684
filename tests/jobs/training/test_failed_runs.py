"""Training runs that fail say why and touch nothing; one that can't reach its files only waits."""

from pathlib import Path
from typing import Any

import pytest

from inference.engine.store import FolderStore
from tests.bucket import CREDENTIAL, Bucket, S3Server
from tests.jobs.training.boiler_runs import behind, broken, log, tried

# What trains gives way to all else: on a busy machine it takes its time.
pytestmark = pytest.mark.timeout(600)


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

    broken(artifacts / "boilers", f"def build(params, seed):\n    {body}\n")
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

    behind(monkeypatch, "select", pull)
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
    broken(artifacts / "boilers", text)
    release_deploy(artifacts=artifacts, into=FolderStore(settings.STORE_DIR), actor="test")
    run = tried(boiler, "broken")

    assert (run.state, run.code) == ("failed", "training_failed"), log(run)
    assert "another version than it was asked for" in run.detail
    assert Version.objects.count() == 2


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

    behind(monkeypatch, step, lambda: storage.drop(folder))
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

    from jobs.training import runs

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
    assert runs.work()
    run.refresh_from_db()
    assert run.state == "deployed", log(run)


def test_a_bucket_that_gives_all_but_what_a_run_needs_counts_as_a_failure(
    boiler: Any, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind(monkeypatch, "select", lambda: bucket.refuse("GetObject", "here/uploads/training/*"))
    run = tried(boiler)

    assert (run.state, run.step, run.attempts) == ("running", "fit", 1), log(run)


def test_a_run_that_is_cancelled_within_a_step_ends_where_nothing_may_be_removed(
    boiler: Any, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.services.training import training_run_cancel
    from jobs.training import runs

    def cancel(doing: Any) -> None:
        bucket.refuse("DeleteObject", "*")
        training_run_cancel(run=doing.run, actor="ann")
        doing.check()

    monkeypatch.setitem(runs._STEPS, "select", ("selecting data", cancel))

    assert tried(boiler).state == "cancelled"
