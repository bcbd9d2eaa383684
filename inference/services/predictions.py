"""A stored prediction, computed again on the version that gave it. Nothing is changed by it."""

from dataclasses import dataclass
from typing import Any

import msgspec

from inference.engine import loader, parity
from inference.engine.parity import Verdict
from inference.engine.store import FolderStore
from inference.models import Prediction


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What a version answers now to stored features, as JSON text, and how that compares with what is stored."""

    verdict: Verdict
    text: str

    @property
    def output(self) -> Any:
        """The answer, decoded."""
        return msgspec.json.decode(self.text)


def prediction_recompute(*, prediction: Prediction, in_store: FolderStore) -> Recomputed:
    """Ask the version that gave a prediction again, from its files as they lie in the store.

    Args:
        prediction: one with an output.

    Raises:
        ArtifactError: the version's files are not what its digest says any more.
    """
    version = prediction.version
    model = loader.load(in_store.path(version.digest), digest=version.digest)
    (text,) = model.predict([model.signature.row(prediction.features)])
    verdict = parity.verdict(prediction.output, msgspec.json.decode(text), scale=model.manifest.parity.scale)
    return Recomputed(verdict, text)
