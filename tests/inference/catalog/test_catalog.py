"""What is live, in memory: it follows the registry, never serves a bad file, and never leaves an endpoint silent."""

import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from inference.catalog import Catalog
from inference.database import Database
from inference.engine.errors import ModelUnavailable
from inference.engine.store import FolderStore
from inference.errors import UnknownEndpoint
from inference.models import Endpoint
from inference.revision import Revision
from inference.services import device_create
from tests.inference import tiny
from tests.inference.catalog.watched import answered, champion, until

pytestmark = pytest.mark.usefixtures("clean_tables")


async def test_what_is_live_is_loaded_when_it_has_started(catalog):
    endpoint = catalog.endpoint("flow")
    assert (endpoint.slug, endpoint.name, endpoint.audit, endpoint.reason) == ("flow", "Flow", "strict", None)
    assert endpoint.champion.tag == "line-1.2.0"
    assert endpoint.champion.signature == tiny.signature()
    assert await answered(endpoint.champion) == '{"value":6}'
    assert list(catalog.endpoints) == ["flow"]
    assert not catalog.stale


async def test_an_unknown_endpoint_is_refused(catalog):
    with pytest.raises(UnknownEndpoint, match="leak"):
        catalog.endpoint("leak")


async def test_it_follows_a_deployment_made_elsewhere(catalog, deploy):
    await deploy("line-1.0.0")
    await until(catalog, lambda: champion(catalog) == "line-1.0.0")
    assert await answered(catalog.endpoint("flow").champion) == '{"value":2}'


async def test_who_holds_the_old_version_may_finish_with_it(catalog, deploy):
    old = catalog.endpoint("flow").champion
    for tag in ("line-1.0.0", "line-1.1.0"):
        await deploy(tag)
        await until(catalog, lambda tag=tag: champion(catalog) == tag)
    assert await answered(old) == '{"value":6}'


async def test_the_old_version_answers_while_the_new_one_is_loaded(catalog, store, deploy):
    store.gate.clear()
    await deploy("line-1.0.0")
    assert await asyncio.to_thread(store.held.wait, 20)
    assert champion(catalog) == "line-1.2.0"
    assert await answered(catalog.endpoint("flow").champion) == '{"value":6}'
    store.gate.set()
    await until(catalog, lambda: champion(catalog) == "line-1.0.0")


async def test_what_else_changes_does_not_wait_for_a_version_that_loads_for_long(
    catalog, store, deploy, release, artifacts, monkeypatch
):
    monkeypatch.setattr("inference.catalog.PATIENCE_S", 0.05)
    store.gate.clear()
    await deploy("line-1.0.0")
    tiny.write_endpoint(artifacts, "leak", slug="leak")
    await release()
    await until(catalog, lambda: "leak" in catalog.endpoints)
    endpoint, asked = catalog.endpoint("flow"), len(store.asked)
    assert (endpoint.champion.tag, endpoint.reason) == ("line-1.2.0", "line-1.0.0: it is still being loaded")
    store.gate.set()
    await until(catalog, lambda: champion(catalog) == "line-1.0.0")
    assert catalog.endpoint("flow").reason is None
    assert len(store.asked) == asked


async def test_a_version_that_fails_late_says_why(catalog, store, deploy, monkeypatch, tmp_path):
    monkeypatch.setattr("inference.catalog.PATIENCE_S", 0.05)
    digest = tiny.digest_of(tmp_path / "artifacts" / "flow" / "line" / "1.0.0")
    FolderStore.path(store, digest).rename(tmp_path / "away")
    store.gate.clear()
    await deploy("line-1.0.0")
    await until(catalog, lambda: "still being loaded" in (catalog.endpoint("flow").reason or ""))
    store.gate.set()
    await until(catalog, lambda: "artifact_missing" in (catalog.endpoint("flow").reason or ""))
    assert champion(catalog) == "line-1.2.0"


async def test_models_that_hang_do_not_keep_their_successor_from_being_loaded(catalog, executor, deploy):
    gate = threading.Event()
    hung = [executor.submit(gate.wait, 20) for _ in range(4)]
    await deploy("line-1.0.0")
    await until(catalog, lambda: champion(catalog) == "line-1.0.0")
    assert not any(one.done() for one in hung)
    gate.set()


async def test_rolling_back_loads_nothing_again(catalog, store, deploy):
    await deploy("line-1.0.0")
    await until(catalog, lambda: champion(catalog) == "line-1.0.0")
    asked = len(store.asked)
    await deploy("line-1.2.0")
    await until(catalog, lambda: champion(catalog) == "line-1.2.0")
    assert len(store.asked) == asked


async def test_a_tampered_version_is_never_served_and_the_last_good_one_answers(catalog, store, deploy, tmp_path):
    digest = tiny.digest_of(tmp_path / "artifacts" / "flow" / "line" / "1.0.0")
    model = FolderStore.path(store, digest) / "model.onnx"
    model.chmod(0o600)
    model.write_bytes(model.read_bytes()[:-1])
    await deploy("line-1.0.0")
    await until(catalog, lambda: catalog.endpoint("flow").reason is not None)
    endpoint = catalog.endpoint("flow")
    assert endpoint.champion.tag == "line-1.2.0"
    assert endpoint.reason.startswith("line-1.0.0: artifact_corrupted: ")
    assert await answered(endpoint.champion) == '{"value":6}'
    with pytest.raises(ModelUnavailable, match="artifact_corrupted"):
        await catalog.version(endpoint, "line-1.0.0")


async def test_a_version_that_was_repaired_is_tried_again(catalog, store, deploy, release, tmp_path, monkeypatch):
    monkeypatch.setattr("inference.shelf.RETRY_S", 0.05)
    monkeypatch.setattr("inference.catalog.RETRY_S", 0.05)
    digest = tiny.digest_of(tmp_path / "artifacts" / "flow" / "line" / "1.0.0")
    place = FolderStore.path(store, digest)
    place.rename(tmp_path / "away")
    await deploy("line-1.0.0")
    await until(catalog, lambda: catalog.endpoint("flow").reason is not None)
    assert "artifact_missing" in catalog.endpoint("flow").reason
    await release()
    await until(catalog, lambda: catalog.endpoint("flow").reason is None)
    assert champion(catalog) == "line-1.0.0"


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
    await until(catalog, lambda: "leak" in catalog.endpoints)
    assert (catalog.endpoint("leak").champion, catalog.endpoint("leak").reason) == (None, "no version is deployed")


async def test_a_retired_endpoint_is_gone(catalog):
    await Endpoint.objects.aupdate(retired_at=timezone.now())
    await until(catalog, lambda: not catalog.endpoints)
    with pytest.raises(UnknownEndpoint):
        catalog.endpoint("flow")


async def test_other_inputs_come_with_their_version(catalog, artifacts, release, deploy):
    tiny.write_version(artifacts / "flow", number="2.0.0", names="abc")
    await release()
    await deploy("line-2.0.0", major=True)
    await until(catalog, lambda: champion(catalog) == "line-2.0.0")
    assert catalog.endpoint("flow").champion.signature.names == ("a", "b", "c")


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
    await until(catalog, lambda: champion(catalog) == "line-1.0.0")


async def test_a_change_of_something_else_is_no_change_of_what_is_live(catalog, revision, deploy):
    endpoint, told = catalog.endpoint("flow"), []
    catalog.on_change(lambda: told.append(champion(catalog)))
    heard = asyncio.Event()
    revision.subscribe(heard.set)
    await sync_to_async(device_create)(name="pump", actor="test")
    await asyncio.wait_for(heard.wait(), 20)
    assert catalog.endpoint("flow") is endpoint
    await deploy("line-1.0.0")
    await until(catalog, lambda: champion(catalog) == "line-1.0.0")
    assert told == ["line-1.0.0"]
