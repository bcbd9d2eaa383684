"""Models that this process has loaded: a worker goes on with the version it had, and keeps a second one at hand."""

from collections import OrderedDict

import structlog

from inference.engine import loader
from inference.engine.errors import ArtifactError, ModelUnavailable
from inference.engine.loader import LoadedModel
from inference.management.command import store
from inference.models import Version

MAX_KEPT = 2

logger = structlog.get_logger(__name__)
_kept: OrderedDict[str, LoadedModel] = OrderedDict()


def loaded(version: Version) -> LoadedModel:
    """The version's model, loaded now unless this process still has it.

    Raises:
        ModelUnavailable: it is not in the store, or is not what was published.
    """
    model = _kept.get(version.digest)
    if model is None:
        try:
            model = loader.load(store().path(version.digest), digest=version.digest)
        except ArtifactError as error:
            logger.warning("a version can't be loaded", version=version.tag, code=error.code, reason=str(error))
            raise ModelUnavailable(version.tag, f"{error.code}: {error}") from error
        _kept[version.digest] = model
    _kept.move_to_end(version.digest)
    while len(_kept) > MAX_KEPT:
        _kept.popitem(last=False)
    return model


def forget() -> None:
    """Keep no model any longer."""
    _kept.clear()
