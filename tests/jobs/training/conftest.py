"""The boilers' endpoint with a first version that answers, committed, and what tests tell of it."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inference.engine.store import FolderStore
from tests import boilers

if TYPE_CHECKING:
    # A conftest is imported before the settings are loaded.
    from inference.models import Endpoint

ROOT = Path(__file__).resolve().parents[3]
GATE = '\n[gate]\nmetric = "accuracy"\nminimum = 0.7\nmaximum_loss = 0.2\nmaximum_base_loss = 0.1\n'


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifacts folder with `plain-1.0.0`, trained once for all tests."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    folder = boilers.write(artifacts, params=boilers.PARAMS + GATE)
    # In a process of its own, as by the command: which texts are one object in memory shows in a pickle's bytes.
    code = f"from pathlib import Path; from jobs.training.git import train; train(Path({str(folder)!r}), 'plain')"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    return artifacts


@pytest.fixture
def artifacts(trained: Path, tmp_path: Path, settings: Any) -> Path:
    """A copy of it that a test may change, where runs look for it."""
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"
    settings.STORE_DIR = tmp_path / "store"
    shutil.copytree(trained, settings.ARTIFACTS_DIR)
    return settings.ARTIFACTS_DIR


@pytest.fixture
def boiler(artifacts: Path, clean_tables: None, settings: Any) -> "Endpoint":
    """The endpoint, committed: `plain-1.0.0` answers, and what passes the gate goes live by itself."""
    from inference.models import Endpoint
    from inference.services import release_deploy

    release_deploy(artifacts=artifacts, into=FolderStore(settings.STORE_DIR), actor="test")
    Endpoint.objects.update(promotion="deploy")
    return Endpoint.objects.get()
