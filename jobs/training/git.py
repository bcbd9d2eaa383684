"""Training a version for git: data and code in, a folder out that is the same, to the bit, on the same machine."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inference.engine import definition as definitions
from inference.engine import manifest as manifests
from inference.engine.definition import Definition
from inference.engine.manifest import Manifest
from jobs.errors import VersionExists
from jobs.training import algorithms, datasets, gate
from jobs.training.algorithms import Algorithm
from jobs.training.version import Say, make

FIRST_VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class Trained:
    """A version in git: where it lies, its digest, and whether it was made just now."""

    folder: Path
    digest: str
    manifest: Manifest
    new: bool


def train(endpoint: Path, algorithm: str, *, version: str | None = None, say: Say = lambda text: None) -> Trained:
    """Train a version of an algorithm and place it in the algorithm's folder.

    Args:
        endpoint: the endpoint's folder.
        algorithm: the algorithm's folder name.
        version: MAJOR.MINOR.0; by default the newest there is (which must then come out the same), or 1.0.0.
        say: told what is being done, a line each.

    Raises:
        DefinitionInvalid, TrainingError: something can't be used, or the version is there with other bits.
        ArtifactUnsafe: the model can't be pickled, or its pickle names code it may not name.
    """
    definition = definitions.read(endpoint)
    code = algorithms.read(endpoint / algorithm)
    number = version or _newest(code.folder) or FIRST_VERSION
    _check_number(definition, code, number)
    gate.rules(code.gate, definition.signature.output, f"{endpoint.name}/{algorithm}/{algorithms.PARAMS}")
    say(f"{definition.slug} {algorithm}-{number}")
    dataset = datasets.load(definition)
    split = datasets.split(dataset, definition.signature, seed=code.seed, place=f"{endpoint.name}/{datasets.FOLDER}")
    data = {name: manifests.Data(sha256=digest, rows=len(dataset.rows)) for name, digest in dataset.files.items()}
    files = make(definition, code, number, dataset, split, data=data, say=say)
    placed = _placed(code.folder / number, files)
    say(
        f"  {'written to' if placed.new else 'the same as'} {endpoint.name}/{algorithm}/{number}, {placed.digest[:19]}…"
    )
    return placed


def _newest(folder: Path) -> str | None:
    """The newest version that was trained for git, as text; retrained ones may lie beside it."""
    numbers = [manifests.version_number(path.parent.name) for path in folder.glob(f"*/{manifests.NAME}")]
    numbers = [number for number in numbers if number[2] == 0]
    return ".".join(map(str, max(numbers))) if numbers else None


def _check_number(definition: Definition, code: Algorithm, version: str) -> None:
    """Versions trained for git end in .0; another signature needs another MAJOR, the same one keeps it."""
    place = f"{definition.folder.name}/{code.name}"
    try:
        major, _, patch = manifests.version_number(version)
    except ValueError as error:
        raise VersionExists(place, str(error)) from error
    if patch:
        raise VersionExists(place, f"{version} can't be trained for git: PATCH belongs to retraining. End it in .0.")
    for path in code.folder.glob(f"*/{manifests.NAME}"):
        known = manifests.read(path.read_bytes(), place=str(path.parent.name))
        same = manifests.signature_of(known).digest == definition.signature.digest
        if same != (known.number[0] == major):
            advice = f"Keep MAJOR {known.number[0]}." if same else f"Use --version {known.number[0] + 1}.0.0."
            raise VersionExists(
                place, f"{version} has {'the same' if same else 'another'} signature as {known.version}. {advice}"
            )


def _placed(folder: Path, files: Mapping[str, bytes]) -> Trained:
    """Put a version's folder in place whole; a folder that is there must hold the same bits."""
    manifest = manifests.read(files[manifests.NAME])
    digest = manifests.digest_of(files[manifests.NAME])
    if folder.exists():
        there = {path.name: path.read_bytes() for path in folder.iterdir()}
        if changed := sorted(name for name in {*there, *files} if there.get(name) != files.get(name)):
            raise VersionExists(
                f"{folder.parent.name}/{folder.name}",
                f"is there already with other bits ({', '.join(changed)}). Versions never change: train a new one with "
                f"--version {manifest.number[0]}.{manifest.number[1] + 1}.0, or remove this one if it was never used.",
            )
        return Trained(folder, digest, manifest, new=False)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, data in files.items():
            (made / name).write_bytes(data)
        made.chmod(0o755)
        os.rename(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Trained(folder, digest, manifest, new=True)
