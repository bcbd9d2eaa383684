"""Any version can be asked for: loaded once for all who wait, kept up to a bound, and not tried by every caller."""

import asyncio

import pytest

from inference.engine.errors import ModelUnavailable
from inference.engine.store import FolderStore
from inference.errors import UnknownVersion
from inference.shelf import MAX_KEPT
from tests.inference import tiny
from tests.inference.catalog.watched import answered

pytestmark = pytest.mark.usefixtures("clean_tables")


async def test_any_version_can_be_asked_for(catalog):
    endpoint = catalog.endpoint("flow")
    assert await catalog.version(endpoint, "line-1.2.0") is endpoint.champion
    assert await answered(await catalog.version(endpoint, "line-1.1.0")) == '{"value":4}'


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
