"""A started catalog of `flow`, which has three versions in a store that can be held back."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async

from inference.catalog import Catalog
from inference.database import Database
from inference.engine.store import FolderStore
from inference.revision import Revision
from tests.inference import tiny


class GatedStore(FolderStore):
    """A store that counts what is asked of it, and holds the answer back while its gate is closed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[str] = []
        self.held = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def path(self, digest: str) -> Path:
        """The place of a version, once the gate is open."""
        self.asked.append(digest)
        if not self.gate.is_set():
            self.held.set()
        assert self.gate.wait(20)
        return super().path(digest)


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """`flow` with `line-1.0.0` (slope 1), `line-1.1.0` (slope 2) and `line-1.2.0` (slope 3)."""
    folder = tiny.write_endpoint(tmp_path / "artifacts")
    for minor in range(3):
        tiny.write_version(folder, number=f"1.{minor}.0", slope=minor + 1)
    return tmp_path / "artifacts"


@pytest.fixture
def store(tmp_path: Path) -> GatedStore:
    """An empty store."""
    return GatedStore(tmp_path / "store")


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """Where slow versions run."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def deploy(store: GatedStore, artifacts: Path) -> Callable[..., Awaitable[None]]:
    """Make a version live, as another process would."""
    # A conftest is imported before the settings are loaded.
    from inference.models import Endpoint
    from inference.selectors import version_get
    from inference.services import version_deploy

    def deploy(tag: str, *, major: bool = False) -> None:
        endpoint = Endpoint.objects.get(slug="flow")
        version = version_get(endpoint=endpoint, tag=tag)
        version_deploy(endpoint=endpoint, version=version, actor="test", reason="test", major=major)

    return sync_to_async(deploy)


@pytest.fixture
def release(store: GatedStore, artifacts: Path) -> Callable[[], Awaitable[object]]:
    """Bring artifacts/ into the registry; `line-1.2.0` begins."""
    from inference.services import release_deploy

    return sync_to_async(lambda: release_deploy(artifacts=artifacts, into=store, actor="test"))


@pytest.fixture
async def catalog(
    database: Database,
    store: GatedStore,
    executor: ThreadPoolExecutor,
    revision: Revision,
    release: Callable[[], Awaitable[object]],
) -> AsyncIterator[Catalog]:
    """A started catalog of the released artifacts."""
    await release()
    started = Catalog(database, store, executor=executor, revision=revision)
    await started.start()
    yield started
    await started.stop()
