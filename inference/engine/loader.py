"""From verified bytes to a model that answers. Nothing is opened before its digest is known to be right."""

import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import msgspec
import structlog

from inference.engine import manifest as manifests
from inference.engine import store
from inference.engine.eager import eager
from inference.engine.errors import ArtifactCorrupted, ArtifactUnsafe, InvalidInput, ModelError
from inference.engine.manifest import Manifest
from inference.engine.outputs import encode
from inference.engine.parity import verdict
from inference.engine.pickles import loads
from inference.engine.runtimes import OnnxRuntime, Runtime, SklearnRuntime
from inference.engine.signature import Row, Signature

MODEL = "model.joblib"
COMPILED = "model.onnx"
GOLDEN = "golden.json"
INLINE_S = 0.0005
"""A full batch that costs less than this is answered in the event loop; a slower model gets a thread."""
FULL_BATCH = 64
_TRIES = 5
# Filters of warnings are the process's: of two threads that change them side by side, the one that ends last puts back
# what the other had set, for good, and the one that ends first takes the other's away while it still opens its file.
_filters = threading.Lock()

logger = structlog.get_logger(__name__)


@eager
class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows (in signature order) and what the version answered to them when it was made."""

    rows: list[list[float | int | str | None]]
    outputs: list[msgspec.Raw]


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A version that answers.

    `full_batch_s` is what a batch of 64 rows cost when it was loaded.
    """

    manifest: Manifest
    digest: str
    signature: Signature
    runtime: Runtime
    full_batch_s: float

    @property
    def tag(self) -> str:
        """The name callers use: `random_forest-1.0.0`."""
        return self.manifest.tag

    @property
    def inline(self) -> bool:
        """Whether it is fast enough for the event loop."""
        return self.full_batch_s < INLINE_S

    def predict(self, rows: Sequence[Row]) -> list[str]:
        """The JSON text of each row's answer, in order.

        Raises:
            ModelError: the model raised, or answered with a number that is not finite.
        """
        try:
            return encode(self.signature.output, self.runtime.scores(self.signature.columns(rows)))
        except Exception as error:
            logger.exception("the model raised", version=self.tag, rows=len(rows))
            raise ModelError(self.tag) from error


def load(source: Mapping[str, bytes] | Path, *, digest: str | None) -> LoadedModel:
    """Verify a version and make it answer.

    Args:
        source: its folder, or its files' bytes by name, `manifest.json` among them.
        digest: the manifest's digest as the database or git knows it; None only where git itself holds the folder.

    Raises:
        ArtifactError: a file is not what the manifest lists, the manifest is not the one known, the pickle names code
            it may not name or comes from other library versions, or the model does not answer as recorded.
    """
    files = store.read(source, digest=digest) if isinstance(source, Path) else store.verified(source, digest=digest)
    manifest = manifests.read(files[manifests.NAME])
    place = f"{manifest.endpoint}/{manifest.tag}"
    signature = manifests.signature_of(manifest, place=place)
    if manifest.runtime == "onnx":
        runtime: Runtime = OnnxRuntime(files[COMPILED], signature, place=f"{place}/{COMPILED}")
    else:
        estimator = estimator_of(manifest, files[MODEL], place=f"{place}/{MODEL}")
        runtime = SklearnRuntime(estimator, signature)
    rows = _checked_golden(manifest, signature, runtime, files[GOLDEN], place=f"{place}/{GOLDEN}")
    batch = (rows * FULL_BATCH)[:FULL_BATCH]
    return LoadedModel(
        manifest=manifest,
        digest=manifests.digest_of(files[manifests.NAME]),
        signature=signature,
        runtime=runtime,
        full_batch_s=_cost_s(signature, runtime, batch),
    )


def estimator_of(manifest: Manifest, data: bytes, *, place: str = MODEL) -> object:
    """The scikit-learn estimator of verified bytes.

    Raises:
        ArtifactUnsafe: other library versions wrote it, or it names code it may not name.
    """
    for name in sorted({"scikit-learn", *manifest.distributions}):
        wrote = manifest.environment.packages.get(name)
        if (installed := _installed(name)) != wrote:
            raise ArtifactUnsafe(
                place,
                f"was written with {name} {wrote} and {installed or 'none'} is installed. Install that version, or "
                "train and publish the version again.",
            )
    from sklearn.exceptions import InconsistentVersionWarning

    with _filters, warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            return loads(data, distributions=manifest.distributions, place=place)
        except InconsistentVersionWarning as warning:
            raise ArtifactUnsafe(place, f"was written by another scikit-learn: {warning}") from warning


def golden_bytes(signature: Signature, runtime: Runtime, rows: Sequence[Row]) -> bytes:
    """The text of `golden.json`: these rows, and what the runtime answers to them."""
    outputs = encode(signature.output, runtime.scores(signature.columns(rows)))
    # A line a row: it lies in git, where people compare it.
    asked, answered = ",\n".join(signature.row_json(row) for row in rows), ",\n".join(outputs)
    return f'{{"rows":[\n{asked}\n],"outputs":[\n{answered}\n]}}\n'.encode()


def _checked_golden(
    manifest: Manifest, signature: Signature, runtime: Runtime, data: bytes, *, place: str
) -> list[Row]:
    """The golden rows, once the model answered them as recorded."""
    try:
        golden = msgspec.json.decode(data, type=Golden)
        rows = [signature.row(row) for row in golden.rows]
    except (msgspec.DecodeError, InvalidInput) as error:
        raise ArtifactCorrupted(place, f"can't be read: {error}. Publish the version again.") from error
    if not rows or len(rows) != len(golden.outputs):
        raise ArtifactCorrupted(place, "needs as many outputs as rows, and one at least. Publish the version again.")
    try:
        answers = encode(signature.output, runtime.scores(signature.columns(rows)))
    except Exception as error:
        raise ArtifactUnsafe(place, f"the model can't answer its golden rows: {error}") from error
    for number, (text, recorded) in enumerate(zip(answers, golden.outputs, strict=True)):
        then, now = msgspec.json.decode(recorded), msgspec.json.decode(text)
        if verdict(then, now, scale=manifest.parity.scale) == "different":
            raise ArtifactUnsafe(
                place, f"row {number} was answered {then} when it was made, and {now} now. Train it again."
            )
    return rows


def _cost_s(signature: Signature, runtime: Runtime, rows: Sequence[Row]) -> float:
    """What one batch costs: the best of a few tries, since a busy machine only ever adds to it."""
    costs = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        encode(signature.output, runtime.scores(signature.columns(rows)))
        costs.append(time.perf_counter() - started)
    return min(costs)


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
