"""What is live now, in memory: endpoints, their champions with loaded models, and other versions on demand.

The catalog follows the revision row. A new champion is loaded, verified and proven on its golden rows before it takes
over; one that can't be loaded leaves the last good one in place. Nothing is closed when it goes: whoever holds a
`LiveVersion` may finish with it.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from types import MappingProxyType

import structlog

from inference.database import Database, DatabaseUnavailable
from inference.engine.errors import ModelUnavailable
from inference.engine.store import FolderStore
from inference.errors import UnknownEndpoint, UnknownVersion
from inference.revision import STALE_AFTER_S, Revision
from inference.shelf import RETRY_S, LiveVersion, PublishedVersion, VersionShelf

_ENDPOINTS = """
SELECT e.id, e.slug, e.name, e.description, e.audit, d.version_id
FROM inference_endpoint e
LEFT JOIN inference_deployment d ON d.endpoint_id = e.id AND d.role = 'champion' AND d.ended_at IS NULL
WHERE e.retired_at IS NULL
ORDER BY e.slug
"""
_VERSIONS = """
SELECT id, endpoint_id, algorithm || '-' || major || '.' || minor || '.' || patch, digest FROM inference_version
"""

PATIENCE_S = 2.0
"""How long everything else that has changed waits for a version that is being loaded."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LiveEndpoint:
    """An endpoint that is not retired, with the version that answers it.

    `reason` says why the deployed version does not answer; None when it does. With a `champion` beside a reason, the
    last good version answers instead.
    """

    id: int
    slug: str
    name: str
    description: str
    audit: str
    champion: LiveVersion | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Picture:
    """What the catalog knew at its last look."""

    endpoints: Mapping[str, LiveEndpoint]
    versions: Mapping[tuple[int, str], PublishedVersion]
    champions: Mapping[int, LiveVersion]


class Catalog:
    """Holds the live picture of one process and keeps it up to date.

    Args:
        database: where endpoints, deployments and versions stand.
        store: where versions lie.
        executor: threads that run the models too slow for the event loop.
        revision: tells when to look again.
    """

    def __init__(self, database: Database, store: FolderStore, *, executor: Executor, revision: Revision) -> None:
        self._database = database
        self._shelf = VersionShelf(store, executor=executor)
        self._revision = revision
        self._picture: _Picture | None = None
        self._failing_since_s: float | None = None
        self._listeners: list[Callable[[], None]] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Load what is live, then keep up with it until `stop`. A database that is away is asked again later."""
        self._unsubscribe = self._revision.subscribe(self._changed.set)
        await self._try_refresh()
        self._task = asyncio.create_task(self._follow(), name="catalog")

    async def stop(self) -> None:
        """Follow no more. What is loaded stays usable."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._shelf.stop()

    # ---- What is live -----------------------------------------------------------------------------------------------

    @property
    def endpoints(self) -> Mapping[str, LiveEndpoint]:
        """The endpoints by slug, in their order; retired ones are not there."""
        return {} if self._picture is None else self._picture.endpoints

    @property
    def stale(self) -> bool:
        """Whether this process has not known for 30 s what is live, or never did."""
        failing = self._failing_since_s is not None and time.monotonic() - self._failing_since_s > STALE_AFTER_S
        return failing or self._picture is None or self._revision.stale

    def endpoint(self, slug: str) -> LiveEndpoint:
        """The endpoint of that slug.

        Raises:
            UnknownEndpoint: there is none, or it is retired.
            ModelUnavailable: what is live could not be read yet.
        """
        if self._picture is None:
            raise ModelUnavailable(f"Endpoint {slug[:64]!r}", "the registry could not be read yet")
        endpoint = self._picture.endpoints.get(slug)
        if endpoint is None:
            raise UnknownEndpoint(slug)
        return endpoint

    async def version(self, endpoint: LiveEndpoint, tag: str) -> LiveVersion:
        """The version of that tag, live or not; loaded if it is not, which waits for one loading at most.

        Raises:
            UnknownVersion: the endpoint has none of that tag.
            ModelUnavailable: it can't be loaded.
        """
        if endpoint.champion is not None and endpoint.champion.tag == tag:
            return endpoint.champion
        known = self._picture.versions.get((endpoint.id, tag)) if self._picture else None
        if known is None:
            raise UnknownVersion(endpoint.slug, tag)
        live = self._loaded(known.id) or await self._shelf.load(known)
        if live.id not in self._picture.champions:
            self._shelf.keep(live)
        return live

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on the event loop after each change of the live picture.

        Returns:
            What ends the subscription.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # ---- Keeping up -------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            # A failed look, and a version that could not be loaded, are tried again without a change.
            again_s = 1.0 if self._failing_since_s is not None else RETRY_S if self._shelf.failing else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), again_s)
            await self._try_refresh()

    async def _try_refresh(self) -> None:
        self._changed.clear()
        try:
            await self._refresh()
        except DatabaseUnavailable as error:
            self._refresh_failed(str(error))
        except Exception:
            logger.exception("the registry could not be read")
            self._refresh_failed("see above")
        else:
            self._failing_since_s = None

    def _refresh_failed(self, reason: str) -> None:
        if self._failing_since_s is None:
            self._failing_since_s = time.monotonic()
            logger.warning("what is live can't be read; the last picture serves", reason=reason)

    async def _refresh(self) -> None:
        # Endpoints first: whatever version is deployed then is among the versions read after.
        deployed = await self._database.fetch(_ENDPOINTS)
        lines = await self._database.fetch(_VERSIONS)
        by_id = {id_: PublishedVersion(id_, tag, digest) for id_, _, tag, digest in lines}
        versions = {(endpoint_id, tag): by_id[id_] for id_, endpoint_id, tag, _ in lines}
        last_good = {endpoint.id: endpoint.champion for endpoint in self.endpoints.values()}
        found = await asyncio.gather(
            *[self._champion(slug, by_id.get(version), last_good.get(id_)) for id_, slug, *_, version in deployed]
        )
        endpoints = {}
        for (id_, slug, name, description, audit, _), (champion, reason) in zip(deployed, found, strict=True):
            new, old = LiveEndpoint(id_, slug, name, description, audit, champion, reason), self.endpoints.get(slug)
            endpoints[slug] = old if old is not None and old == new else new
        champions = {champion.id: champion for champion, _ in found if champion is not None}
        self._replace(_Picture(MappingProxyType(endpoints), versions, champions))

    async def _champion(
        self, slug: str, deployed: PublishedVersion | None, last_good: LiveVersion | None
    ) -> tuple[LiveVersion | None, str | None]:
        """The version that answers from now on, and why the deployed one does not, if so."""
        if deployed is None:
            return None, "no version is deployed"
        if last_good is not None and last_good.id == deployed.id:
            return last_good, None
        try:
            if (live := self._loaded(deployed.id)) is not None:
                return live, None
            loading = asyncio.ensure_future(self._shelf.load(deployed))
            # A process that has just started has nothing to answer with meanwhile.
            await asyncio.wait({loading}, timeout=PATIENCE_S if self._picture else None)
            if not loading.done():
                loading.add_done_callback(self._came_late)
                return last_good, f"{deployed.tag}: it is still being loaded"
            return loading.result(), None
        except ModelUnavailable as error:
            logger.error(
                "the deployed version can't be loaded",
                endpoint=slug,
                version=deployed.tag,
                reason=error.reason,
                answers=last_good.tag if last_good else None,
            )
            return last_good, f"{deployed.tag}: {error.reason}"

    def _came_late(self, loading: asyncio.Future[LiveVersion]) -> None:
        """Look again, now that a version is loaded, or known not to be loadable."""
        if not loading.cancelled() and loading.exception() is None:
            self._shelf.keep(loading.result())
        self._changed.set()

    def _replace(self, picture: _Picture) -> None:
        old, self._picture = self._picture, picture
        for live in old.champions.values() if old else ():
            # A demoted champion stays loaded for a while: rolling back to it then takes no time.
            if live.id not in picture.champions:
                self._shelf.keep(live)
        for id_ in picture.champions:
            self._shelf.drop(id_)
        if old is not None and dict(old.endpoints) == dict(picture.endpoints):
            # Something else was counted up: a device, say.
            return
        for listener in list(self._listeners):
            try:
                listener()
            except Exception:
                logger.exception("a listener of the catalog failed")

    def _loaded(self, version_id: int) -> LiveVersion | None:
        champions = self._picture.champions if self._picture else {}
        return champions.get(version_id) or self._shelf.get(version_id)
