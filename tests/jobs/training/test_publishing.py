"""The step that publishes: however long the store takes, and whoever has the run by then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.inference import tiny


class Publishing:
    """A run of an endpoint that is about to publish what it fitted."""

    def __init__(self, flow: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from inference.engine import manifest as manifests
        from jobs import storage
        from jobs.models import TrainingRun
        from jobs.training.steps import RUNS

        self._monkeypatch = monkeypatch
        made = tiny.write_version(folder, number="1.0.1", slope=3)
        files = {path.name: path.read_bytes() for path in made.iterdir()}
        self.run = TrainingRun.objects.create(
            endpoint=flow, algorithm="line", policy="register", step="publish", slot="one", created_by="ann"
        )
        place = f"{RUNS}/{self.run.pk}/1"
        for name, content in files.items():
            storage.put(f"{place}/{name}", content)
        digest = manifests.digest_of(files[manifests.NAME])
        self.run.data = {"candidate": {"folder": place, "digest": digest, "files": sorted(files)}}
        self.run.save()

    def publish(self, meanwhile: Callable[[], object]) -> None:
        """Do the step; something happens while the store takes the version's files."""
        from inference.engine.store import FolderStore
        from jobs import leases
        from jobs.models import TrainingRun
        from jobs.training import steps

        take = FolderStore.publish

        def slowly(store: FolderStore, *arguments: Any, **named: Any) -> Any:
            meanwhile()
            return take(store, *arguments, **named)

        self._monkeypatch.setattr(FolderStore, "publish", slowly)
        lease = leases.claim(TrainingRun.objects.filter(pk=self.run.pk), state="running")
        assert lease is not None
        run = TrainingRun.objects.select_related("endpoint").get(pk=self.run.pk)
        steps.publish(steps.Doing(run=run, lease=lease, say=lambda text: None, check=lambda: None))

    def tags(self) -> list[str]:
        """Of the endpoint's versions."""
        return sorted(version.tag for version in self.run.endpoint.versions.all())


@pytest.fixture
def publishing(flow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publishing:
    """A run at that step."""
    return Publishing(flow, tmp_path / "artifacts" / "flow", monkeypatch)


def test_the_lease_can_be_renewed_while_the_store_takes_its_time(publishing: Publishing, dsn: str) -> None:
    def renew() -> None:
        with psycopg.connect(dsn) as other:
            other.execute("SELECT 1 FROM jobs_trainingrun WHERE id = %s FOR UPDATE NOWAIT", [publishing.run.pk])

    publishing.publish(renew)
    publishing.run.refresh_from_db()
    assert (publishing.run.step, publishing.run.candidate.tag) == ("promote", "line-1.0.1")


def test_a_run_that_is_cancelled_meanwhile_publishes_nothing(publishing: Publishing, dsn: str) -> None:
    from jobs.errors import LeaseLost

    def cancel() -> None:
        with psycopg.connect(dsn) as other:
            other.execute("SET lock_timeout = '5s'")
            other.execute("UPDATE jobs_trainingrun SET state = 'cancelled', leased_until = NULL")

    with pytest.raises(LeaseLost):
        publishing.publish(cancel)
    assert publishing.tags() == ["line-1.0.0"]
