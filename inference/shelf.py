"""Versions with their models in memory: each loaded once, however many ask, and a few kept at hand."""

import asyncio
import contextlib
import os
import time
from collections import OrderedDict
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from inference.engine import loader
from inference.engine.batcher import Batcher
from inference.engine.errors import ArtifactError, ModelUnavailable
from inference.engine.signature import Signature
from inference.engine.store import FolderStore

MAX_KEPT = 4
"""Versions kept loaded beside the champions."""
RETRY_S = 10.0
"""How long a version that could not be loaded is left alone before another try."""
LOADERS = max(2, min(4, os.cpu_count() or 2))
"""Threads that load versions. They run none: a model that hangs must not keep its successor from being loaded."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """A version as the database knows it."""

    id: int
    tag: str
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class LiveVersion:
    """A version whose model is loaded and proven."""

    id: int
    tag: str
    digest: str
    signature: Signature
    batcher: Batcher


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a version could not be loaded, and when that was tried."""

    reason: str
    at_s: float

    @property
    def recent(self) -> bool:
        """Whether it is too early for another try."""
        return time.monotonic() - self.at_s < RETRY_S


class VersionShelf:
    """Loads versions from the store, and keeps the ones used last.

    Args:
        store: where versions lie.
        executor: threads that run the models too slow for the event loop.
    """

    def __init__(self, store: FolderStore, *, executor: Executor) -> None:
        self._store = store
        self._executor = executor
        self._loaders = ThreadPoolExecutor(LOADERS, thread_name_prefix="loader")
        self._kept: OrderedDict[int, LiveVersion] = OrderedDict()
        self._loading: dict[int, asyncio.Task[LiveVersion]] = {}
        self._failures: dict[int, _Failure] = {}

    @property
    def failing(self) -> bool:
        """Whether a version could not be loaded when it was last tried."""
        return bool(self._failures)

    def get(self, version_id: int) -> LiveVersion | None:
        """The version if it is kept."""
        return self._kept.get(version_id)

    def keep(self, live: LiveVersion) -> None:
        """Keep a version as the one used last; the one unused for longest may go for it."""
        self._kept[live.id] = live
        self._kept.move_to_end(live.id)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def drop(self, version_id: int) -> None:
        """Keep a version no more. Whoever holds it may finish with it."""
        self._kept.pop(version_id, None)

    async def load(self, published: PublishedVersion) -> LiveVersion:
        """Load a version; everyone who wants it meanwhile waits for the same loading.

        Raises:
            ModelUnavailable: it can't be loaded, or could not a moment ago.
        """
        failure = self._failures.get(published.id)
        if failure is not None and failure.recent:
            raise ModelUnavailable(published.tag, failure.reason)
        task = self._loading.get(published.id)
        if task is None:
            task = asyncio.create_task(self._load(published), name=f"load {published.tag}")
            self._loading[published.id] = task
            task.add_done_callback(lambda ended: self._load_ended(published, ended))
        return await asyncio.shield(task)

    async def stop(self) -> None:
        """Give up what is being loaded."""
        for task in list(self._loading.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ModelUnavailable):
                await task
        self._loaders.shutdown(wait=False, cancel_futures=True)

    def _load_ended(self, published: PublishedVersion, task: asyncio.Task[LiveVersion]) -> None:
        self._loading.pop(published.id, None)
        self._failures.pop(published.id, None)
        if not task.cancelled() and isinstance(error := task.exception(), ModelUnavailable):
            self._failures[published.id] = _Failure(error.reason, time.monotonic())

    async def _load(self, published: PublishedVersion) -> LiveVersion:
        def load() -> loader.LoadedModel:
            return loader.load(self._store.path(published.digest), digest=published.digest)

        try:
            model = await asyncio.get_running_loop().run_in_executor(self._loaders, load)
        except ArtifactError as error:
            raise ModelUnavailable(published.tag, f"{error.code}: {error}") from error
        except Exception as error:
            logger.exception("loading failed", version=published.tag)
            raise ModelUnavailable(published.tag, "it could not be loaded") from error
        batcher = Batcher(model, self._executor)
        return LiveVersion(published.id, published.tag, published.digest, model.signature, batcher)
