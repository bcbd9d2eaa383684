"""What is live, in memory: it follows the registry, never serves a bad file, and never leaves an endpoint silent."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from inference.catalog import Catalog
from inference.database import Database
from inference.engine.errors import ModelUnavailable
from inference.engine.store import FolderStore
from inference.errors import UnknownEndpoint, UnknownVersion
from inference.models import Endpoint
from inference.revision import Revision
from inference.selectors import version_get
from inference.services import device_create, release_deploy, version_deploy
from inference.shelf import MAX_KEPT
from tests.inference import tiny

pytestmark = pytest.mark.usefixtures("clean_tables")


class GatedStore(FolderStore):
    """A store that counts what is asked of it, and holds the answer back while its gate is closed."""

    def __init__(self, root) -> None:
        super().__init__(root)
        self.asked: list[str] = []
        self.held = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def path(self, digest):
        self.asked.append(digest)
        if not self.gate.is_set():
            self.held.set()
        assert self.gate.wait(20)
        return super().path(digest)


@pytest.fixture
def artifacts(tmp_path):
    """`flow` with `line-1.0.0` (slope 1), `line-1.1.0` (slope 2) and `line-1.2.0` (slope 3)."""
    folder = tiny.write_endpoint(tmp_path / "artifacts")
    for minor in range(3):
        tiny.write_version(folder, number=f"1.{minor}.0", slope=minor + 1)
    return tmp_path / "artifacts"


@pytest.fixture
def store(tmp_path):
    return GatedStore(tmp_path / "store")


@pytest.fixture
def executor():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def deploy(store, artifacts):
    """Make a version live, as another process would."""

    def deploy(tag, *, major=False):
        endpoint = Endpoint.objects.get(slug="flow")
        version = version_get(endpoint=endpoint, tag=tag)
        version_deploy(endpoint=endpoint, version=version, actor="test", reason="test", major=major)

    return sync_to_async(deploy)


@pytest.fixture
def release(store, artifacts):
    """Bring artifacts/ into the registry; `line-1.2.0` begins."""
    return sync_to_async(lambda: release_deploy(artifacts=artifacts, into=store, actor="test"))


@pytest.fixture
async def catalog(database, store, executor, revision, release):
    """A started catalog of the released artifacts."""
    await release()
    started = Catalog(database, store, executor=executor, revision=revision)
    await started.start()
    yield started
    await started.stop()


async def _answer(version, a=1.0, b=1.0):
    """What a version says through its batcher."""
    done = asyncio.get_running_loop().create_future()

    class Job:
        inputs = [(a, b)]

        def predicted(self, outcomes):
            done.set_result(outcomes)

    version.batcher.submit(Job())
    (outcome,) = await asyncio.wait_for(done, 20)
    return outcome


async def _until(catalog, holds):
    """Wait for changes of the catalog until a condition on it holds."""
    changed = asyncio.Event()
    leave = catalog.on_change(changed.set)
    async with asyncio.timeout(20):
        while not holds():
            await changed.wait()
            changed.clear()
    leave()


def _champion(catalog):
    champion = catalog.endpoint("flow").champion
    return champion and champion.tag


async def test_what_is_live_is_loaded_when_it_has_started(catalog):
    endpoint = catalog.endpoint("flow")
    assert (endpoint.slug, endpoint.name, endpoint.audit, endpoint.reason) == ("flow", "Flow", "strict", None)
    assert endpoint.champion.tag == "line-1.2.0"
    assert endpoint.champion.signature == tiny.signature()
    assert await _answer(endpoint.champion) == '{"value":6}'
    assert list(catalog.endpoints) == ["flow"]
    assert not catalog.stale


async def test_an_unknown_endpoint_is_refused(catalog):
    with pytest.raises(UnknownEndpoint, match="leak"):
        catalog.endpoint("leak")


async def test_it_follows_a_deployment_made_elsewhere(catalog, deploy):
    await deploy("line-1.0.0")
    await _until(catalog, lambda: _champion(catalog) == "line-1.0.0")
    assert await _answer(catalog.endpoint("flow").champion) == '{"value":2}'


async def test_who_holds_the_old_version_may_finish_with_it(catalog, deploy):
    old = catalog.endpoint("flow").champion
    for tag in ("line-1.0.0", "line-1.1.0"):
        await deploy(tag)
        await _until(catalog, lambda tag=tag: _champion(catalog) == tag)
    assert await _answer(old) == '{"value":6}'


async def test_the_old_version_answers_while_the_new_one_is_loaded(catalog, store, deploy):
    store.gate.clear()
    await deploy("line-1.0.0")
    assert await asyncio.to_thread(store.held.wait, 20)
    assert _champion(catalog) == "line-1.2.0"
    assert await _answer(catalog.endpoint("flow").champion) == '{"value":6}'
    store.gate.set()
    await _until(catalog, lambda: _champion(catalog) == "line-1.0.0")


async def test_rolling_back_loads_nothing_again(catalog, store, deploy):
    await deploy("line-1.0.0")
    await _until(catalog, lambda: _champion(catalog) == "line-1.0.0")
    asked = len(store.asked)
    await deploy("line-1.2.0")
    await _until(catalog, lambda: _champion(catalog) == "line-1.2.0")
    assert len(store.asked) == asked


async def test_a_tampered_version_is_never_served_and_the_last_good_one_answers(catalog, store, deploy, tmp_path):
    digest = tiny.digest_of(tmp_path / "artifacts" / "flow" / "line" / "1.0.0")
    model = FolderStore.path(store, digest) / "model.onnx"
    model.chmod(0o600)
    model.write_bytes(model.read_bytes()[:-1])
    await deploy("line-1.0.0")
    await _until(catalog, lambda: catalog.endpoint("flow").reason is not None)
    endpoint = catalog.endpoint("flow")
    assert endpoint.champion.tag == "line-1.2.0"
    assert endpoint.reason.startswith("line-1.0.0: artifact_corrupted: ")
    assert await _answer(endpoint.champion) == '{"value":6}'
    with pytest.raises(ModelUnavailable, match="artifact_corrupted"):
        await catalog.version(endpoint, "line-1.0.0")


async def test_a_version_that_was_repaired_is_tried_again(catalog, store, deploy, release, tmp_path, monkeypatch):
    monkeypatch.setattr("inference.shelf.RETRY_S", 0.05)
    monkeypatch.setattr("inference.catalog.RETRY_S", 0.05)
    digest = tiny.digest_of(tmp_path / "artifacts" / "flow" / "line" / "1.0.0")
    place = FolderStore.path(store, digest)
    place.rename(tmp_path / "away")
    await deploy("line-1.0.0")
    await _until(catalog, lambda: catalog.endpoint("flow").reason is not None)
    assert "artifact_missing" in catalog.endpoint("flow").reason
    await release()
    await _until(catalog, lambda: catalog.endpoint("flow").reason is None)
    assert _champion(catalog) == "line-1.0.0"


async def test_without_a_last_good_version_the_endpoint_says_why(
    database, store, executor, revision, release, tmp_path
):
    await release()
    digest = tiny.digest_of(tmp_path / "artifacts" / "flow" / "line" / "1.2.0")
    FolderStore.path(store, digest).rename(tmp_path / "away")
    catalog = Catalog(database, store, executor=executor, revision=revision)
    await catalog.start()
    endpoint = catalog.endpoint("flow")
    assert endpoint.champion is None
    assert endpoint.reason.startswith("line-1.2.0: artifact_missing")
    await catalog.stop()


async def test_an_endpoint_without_deployment_says_so(catalog, artifacts, release):
    tiny.write_endpoint(artifacts, "leak", slug="leak")
    await release()
    await _until(catalog, lambda: "leak" in catalog.endpoints)
    assert (catalog.endpoint("leak").champion, catalog.endpoint("leak").reason) == (None, "no version is deployed")


async def test_a_retired_endpoint_is_gone(catalog):
    await Endpoint.objects.aupdate(retired_at=timezone.now())
    await _until(catalog, lambda: not catalog.endpoints)
    with pytest.raises(UnknownEndpoint):
        catalog.endpoint("flow")


async def test_other_inputs_come_with_their_version(catalog, artifacts, release, deploy):
    tiny.write_version(artifacts / "flow", number="2.0.0", names="abc")
    await release()
    await deploy("line-2.0.0", major=True)
    await _until(catalog, lambda: _champion(catalog) == "line-2.0.0")
    assert catalog.endpoint("flow").champion.signature.names == ("a", "b", "c")


# ---- ?version= ----------------------------------------------------------------------------------------------------


async def test_any_version_can_be_asked_for(catalog):
    endpoint = catalog.endpoint("flow")
    assert await catalog.version(endpoint, "line-1.2.0") is endpoint.champion
    assert await _answer(await catalog.version(endpoint, "line-1.1.0")) == '{"value":4}'


@pytest.mark.parametrize("tag", ["line-9.0.0", "", "line", "../line-1.0.0", "line-1.0.0\x00"])
async def test_an_unknown_version_is_refused(catalog, tag):
    with pytest.raises(UnknownVersion):
        await catalog.version(catalog.endpoint("flow"), tag)


async def test_everyone_who_wants_a_version_waits_for_one_loading(catalog, store):
    endpoint = catalog.endpoint("flow")
    asked = len(store.asked)
    versions = await asyncio.gather(*[catalog.version(endpoint, "line-1.0.0") for _ in range(10)])
    assert len({id(version) for version in versions}) == 1
    assert len(store.asked) == asked + 1


async def test_who_gives_up_waiting_takes_nobody_along(catalog, store):
    endpoint = catalog.endpoint("flow")
    store.gate.clear()
    first = asyncio.create_task(catalog.version(endpoint, "line-1.0.0"))
    second = asyncio.create_task(catalog.version(endpoint, "line-1.0.0"))
    await asyncio.sleep(0)
    first.cancel()
    store.gate.set()
    assert (await second).tag == "line-1.0.0"


@pytest.fixture
def many_versions(artifacts):
    """As many versions as are kept, beside the three."""
    for minor in range(3, 3 + MAX_KEPT):
        tiny.write_version(artifacts / "flow", "zigzag", f"1.{minor}.0")


async def test_versions_asked_for_stay_loaded_up_to_a_bound(many_versions, catalog, store):
    endpoint = catalog.endpoint("flow")
    for minor in range(3, 3 + MAX_KEPT):
        await catalog.version(endpoint, f"zigzag-1.{minor}.0")
    asked = len(store.asked)
    await catalog.version(endpoint, "zigzag-1.3.0")
    assert len(store.asked) == asked
    # 1.4.0 is the one that was not used for longest.
    await catalog.version(endpoint, "line-1.0.0")
    await catalog.version(endpoint, "zigzag-1.3.0")
    assert len(store.asked) == asked + 1
    await catalog.version(endpoint, "zigzag-1.4.0")
    assert len(store.asked) == asked + 2


async def test_a_version_that_can_not_be_loaded_is_not_tried_by_every_caller(catalog, store, tmp_path):
    endpoint = catalog.endpoint("flow")
    digest = tiny.digest_of(tmp_path / "artifacts" / "flow" / "line" / "1.0.0")
    FolderStore.path(store, digest).rename(tmp_path / "away")
    asked = len(store.asked)
    for _ in range(5):
        with pytest.raises(ModelUnavailable, match="artifact_missing"):
            await catalog.version(endpoint, "line-1.0.0")
    assert len(store.asked) == asked + 1


# ---- Without Postgres ---------------------------------------------------------------------------------------------


async def test_without_a_database_it_starts_and_knows_that_it_knows_nothing(store, executor):
    away = Database("postgresql://postgres@/nowhere?host=/nonexistent")
    await away.open()
    revision = Revision(away)
    catalog = Catalog(away, store, executor=executor, revision=revision)
    await revision.start()
    await catalog.start()
    assert catalog.stale
    assert dict(catalog.endpoints) == {}
    with pytest.raises(ModelUnavailable, match="could not be read yet"):
        catalog.endpoint("flow")
    await catalog.stop()
    await revision.stop()
    await away.close()


async def test_one_listener_that_fails_does_not_keep_the_news_from_others(catalog, deploy):
    def fail():
        raise RuntimeError("this listener has gone")

    catalog.on_change(fail)
    await deploy("line-1.0.0")
    await _until(catalog, lambda: _champion(catalog) == "line-1.0.0")


async def test_a_change_of_something_else_is_no_change_of_what_is_live(catalog, revision, deploy):
    endpoint, told = catalog.endpoint("flow"), []
    catalog.on_change(lambda: told.append(_champion(catalog)))
    heard = asyncio.Event()
    revision.subscribe(heard.set)
    await sync_to_async(device_create)(name="pump", actor="test")
    await asyncio.wait_for(heard.wait(), 20)
    assert catalog.endpoint("flow") is endpoint
    await deploy("line-1.0.0")
    await _until(catalog, lambda: _champion(catalog) == "line-1.0.0")
    assert told == ["line-1.0.0"]
