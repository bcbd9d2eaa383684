"""Models that this process has loaded: a worker goes on with the version it had, and keeps a second one at hand."""

from collections import OrderedDict

import structlog

from inference.engine import loader
from inference.engine.errors import ArtifactError, ModelUnavailable
from inference.engine.loader import LoadedModel
from inference.management.command import store
from inference.models import Version
from jobs.errors import StorageUnavailable

MAX_KEPT = 2

logger = structlog.get_logger(__name__)
_kept: OrderedDict[str, LoadedModel] = OrderedDict()


def loaded(version: Version) -> LoadedModel:
    """The version's model, loaded now unless this process still has it.

    Raises:
        ModelUnavailable: it is not in the store, or is not what was published.
        StorageUnavailable: the store can't be reached now.
    """
    model = _kept.get(version.digest)
    if model is None:
        try:
            model = loader.load(store().path(version.digest), digest=version.digest)
        except ArtifactError as error:
            if error.retryable:
                logger.warning("the bucket of versions can't be used", version=version.tag, reason=str(error))
                raise StorageUnavailable from error
            logger.warning("a version can't be loaded", version=version.tag, code=error.code, reason=str(error))
            raise ModelUnavailable(version.tag, f"{error.code}: {error}") from error
    keep(model)
    return model


def keep(model: LoadedModel) -> None:
    """Keep a model as the one used last; the one unused for longest may go for it."""
    _kept[model.digest] = model
    _kept.move_to_end(model.digest)
    while len(_kept) > MAX_KEPT:
        _kept.popitem(last=False)


def kept() -> list[str]:
    """The digests of the models that are loaded, the one used last at the end."""
    return list(_kept)


def forget() -> None:
    """Keep no model any longer."""
    _kept.clear()
