"""Runs of the boilers' endpoint, worked on where they are asked for, and what goes wrong with them."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from inference.engine import manifest as manifests
from inference.ids import prediction_id


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


def behind(monkeypatch: pytest.MonkeyPatch, step: str, then: Any) -> None:
    """Have something happen behind a step."""
    from jobs.training import runs

    words, do = runs._STEPS[step]

    def both(doing: Any) -> None:
        do(doing)
        then()

    monkeypatch.setitem(runs._STEPS, step, (words, both))


def broken(endpoint: Path, text: str) -> None:
    """An algorithm whose first version looks as if this code had made it."""
    shutil.copytree(endpoint / "plain", endpoint / "broken")
    (endpoint / "broken" / "algorithm.py").write_text(text)
    path = endpoint / "broken" / "1.0.0" / manifests.NAME
    manifest = manifests.read(path.read_bytes())
    code = {name.replace("plain", "broken"): sha256 for name, sha256 in manifest.code.items()}
    code["broken/algorithm.py"] = manifests.sha256(text.encode())
    path.chmod(0o644)
    path.write_bytes(manifests.written(msgspec.structs.replace(manifest, algorithm="broken", code=code)))
