"""The manifest of a version: what it is, which files belong to it, how it was made and what it was proven to do.

Its sha256 is the version's digest. Everything else about a version is trusted only as far as the manifest says.
"""

import hashlib
import re
from typing import Any, Literal

import msgspec

from inference.engine.eager import eager
from inference.engine.errors import InvalidSignature, ManifestInvalid
from inference.engine.signature import Signature

NAME = "manifest.json"
FORMAT = 1
MAX_BYTES = 4 * 2**20
"""No manifest comes near this; a bigger file is not one."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_ALGORITHM = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?")
_NUMBER = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of the version: its sha256 (hex) and size in bytes."""

    sha256: str
    bytes: int


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data file it was trained from: its sha256 (hex) and how many rows were used of it."""

    sha256: str
    rows: int


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where it was trained. Another CPU or BLAS gives equal answers, not the same bits."""

    python: str
    platform: str
    cpu: str
    blas: str
    threads: int
    packages: dict[str, str]


class Parity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the comparison of ONNX with scikit-learn found.

    `max_difference` is the largest difference of a score (or, for a regression, of a value). `label_ties` counts rows
    that got another label where scikit-learn's two best scores were a tie. `scale` is the standard deviation of a
    regression's targets, 0 for other outputs. `reason` says why they are not equal.
    """

    equal: bool
    rows: int
    max_difference: float | None
    label_ties: int
    scale: float
    reason: str | None


@eager
class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version, as `manifest.json` tells it."""

    format: int
    endpoint: str
    algorithm: str
    version: str
    signature: dict[str, Any]
    files: dict[str, File]
    code: dict[str, str]
    data: dict[str, Data]
    seed: int
    params: dict[str, Any]
    distributions: tuple[str, ...]
    metrics: dict[str, Any]
    environment: Environment
    runtime: Literal["onnx", "sklearn"]
    parity: Parity
    reference: dict[str, dict[str, Any]]

    @property
    def tag(self) -> str:
        """The name callers use: `random_forest-1.0.0`."""
        return f"{self.algorithm}-{self.version}"

    @property
    def number(self) -> tuple[int, int, int]:
        """MAJOR, MINOR, PATCH."""
        return version_number(self.version)


def read(data: bytes, *, place: str = NAME) -> Manifest:
    """Read a manifest and check its form.

    Args:
        data: the file's bytes.
        place: what errors call it.

    Raises:
        ManifestInvalid: it is not JSON of the expected form, or names a file it may not name.
    """
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestInvalid(place, f"can't be read as a manifest: {error}. Publish the version again.") from error
    if problem := _problem(manifest):
        raise ManifestInvalid(place, f"{problem}. Publish the version again.")
    return manifest


def written(manifest: Manifest) -> bytes:
    """The manifest's one text: sorted keys, two spaces, a final newline."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2) + b"\n"


def digest_of(data: bytes) -> str:
    """`sha256:…` of a manifest's bytes: the version's digest."""
    return f"sha256:{sha256(data)}"


def sha256(data: bytes) -> str:
    """The hex sha256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def signature_of(manifest: Manifest, *, place: str = NAME) -> Signature:
    """The compiled signature of a manifest.

    Raises:
        ManifestInvalid: its signature contradicts itself.
    """
    try:
        return Signature.from_dict(manifest.signature)
    except InvalidSignature as error:
        raise ManifestInvalid(place, f"holds a signature that can't be used: {error}") from error


def version_number(text: str) -> tuple[int, int, int]:
    """MAJOR, MINOR, PATCH of `1.2.3`.

    Raises:
        ValueError: it is not three plain numbers.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"A version is three numbers such as 1.0.0; got {text[:40]!r}.")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch)


def _problem(manifest: Manifest) -> str | None:
    """The first thing wrong with a decoded manifest, if any."""
    if manifest.format != FORMAT:
        return f"has format {manifest.format}, and this program reads format {FORMAT}"
    if not _ALGORITHM.fullmatch(manifest.algorithm) or not _NUMBER.fullmatch(manifest.version):
        return f"names the version {manifest.tag[:80]!r}, which is no algorithm with three numbers"
    for name, file in manifest.files.items():
        if not _FILE.fullmatch(name) or name == NAME:
            return f"lists the file {name[:80]!r}; a file's name is letters, digits, `.`, `_` and `-`, without a folder"
        if not _DIGEST.fullmatch(file.sha256) or file.bytes < 0:
            return f"lists {name} without a usable sha256 and size"
    needed = {"model.joblib", "golden.json"} | ({"model.onnx"} if manifest.runtime == "onnx" else set())
    if missing := sorted(needed - set(manifest.files)):
        return f"does not list {missing[0]}"
    if manifest.runtime == "onnx" and not manifest.parity.equal:
        return "says that ONNX answers it without having been found equal"
    return None
