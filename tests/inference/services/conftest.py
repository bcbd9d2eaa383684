"""An artifacts folder with one endpoint and one version, and a store."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inference.engine.store import FolderStore
from tests.inference import tiny

if TYPE_CHECKING:
    from inference.models import Endpoint


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """`flow` with `line-1.0.0`."""
    tiny.write_version(tiny.write_endpoint(tmp_path / "artifacts"))
    return tmp_path / "artifacts"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """An empty store."""
    return FolderStore(tmp_path / "store")


@pytest.fixture
def flow(artifacts: Path, store: FolderStore, db: None) -> "Endpoint":
    """The endpoint `flow`, deployed: `line-1.0.0` answers."""
    # A conftest is imported before the settings are loaded.
    from inference.models import Endpoint
    from inference.services import release_deploy

    release_deploy(artifacts=artifacts, into=store, actor="test")
    return Endpoint.objects.get(slug="flow")
