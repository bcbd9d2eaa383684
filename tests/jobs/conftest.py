"""An endpoint whose version answers slope · (a + b), in the database and the store that workers see; and a server."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inference.engine.store import FolderStore
from tests.inference import tiny
from tests.jobs.web import Server, serving

if TYPE_CHECKING:
    # A conftest is imported before the settings are loaded.
    from inference.models import Endpoint
    from tests.bucket import Bucket


@pytest.fixture
def bucket(bucket: "Bucket", settings: Any) -> "Bucket":
    """A bucket that holds the uploads; models are in a folder."""
    settings.STORAGES = settings.STORAGES | {"uploads": bucket.storages["uploads"]}
    return bucket


@pytest.fixture
def flow(tmp_path: Path, settings: Any, clean_tables: None) -> "Endpoint":
    """`flow`, committed: `line-1.0.0` answers."""
    from inference.models import Endpoint
    from inference.services import release_deploy

    settings.STORE_DIR = settings.FORETELL_HOME / "store"
    tiny.write_version(tiny.write_endpoint(tmp_path / "artifacts"))
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(settings.STORE_DIR), actor="test")
    return Endpoint.objects.get(slug="flow")


@pytest.fixture(scope="session")
def server(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A web process that serves until the tests end."""
    with serving(dsn, tmp_path_factory.mktemp("web")) as server:
        yield server
