"""Reading and writing manifests."""

import msgspec
import pytest

from inference.engine import manifest as manifests
from inference.engine.errors import ManifestInvalid
from inference.engine.manifest import Data, Environment, File, Manifest, Parity

SHA = "0" * 64
GOOD = Manifest(
    format=1,
    endpoint="flow",
    algorithm="ridge",
    version="1.2.3",
    signature={"inputs": [{"name": "a", "dtype": "float"}], "output": {"kind": "regression"}},
    files={name: File(sha256=SHA, bytes=3) for name in ("model.joblib", "model.onnx", "golden.json")},
    code={"ridge/algorithm.py": SHA},
    data={"data/flow.csv": Data(sha256=SHA, rows=2)},
    seed=1,
    params={"alpha": 1.0},
    distributions=(),
    metrics={"mae": 0.1},
    environment=Environment(python="3.11", platform="linux", cpu="x", blas="y", threads=1, packages={}),
    runtime="onnx",
    parity=Parity(equal=True, rows=9, max_difference=0.0, label_ties=0, scale=1.0, reason=None),
    reference={},
)


def changed(**changes: object) -> bytes:
    """The good manifest's bytes with something else in it."""
    return manifests.written(msgspec.structs.replace(GOOD, **changes))


def test_what_is_written_is_read_back() -> None:
    read = manifests.read(manifests.written(GOOD))

    assert read == GOOD
    assert (read.tag, read.number) == ("ridge-1.2.3", (1, 2, 3))
    assert manifests.signature_of(read).names == ("a",)


def test_the_digest_is_that_of_the_bytes() -> None:
    assert manifests.digest_of(b"abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b"version https://git-lfs.github.com/spec/v1\n",
        manifests.written(GOOD)[:-40],
        manifests.written(GOOD).replace(b'"seed": 1', b'"seed": "1"'),
        manifests.written(GOOD).replace(b'"seed": 1', b'"seed": 1, "extra": 2'),
    ],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestInvalid, match="can't be read as a manifest"):
        manifests.read(data)


@pytest.mark.parametrize(
    "name",
    ["../model.onnx", "/etc/passwd", "a/b", "..", ".", "", ".hidden", "manifest.json", "a\\b", "a\x00b", "x" * 200],
)
def test_a_file_may_not_lie_elsewhere(name: str) -> None:
    files = {**GOOD.files, name: File(sha256=SHA, bytes=1)}

    with pytest.raises(ManifestInvalid, match="lists the file"):
        manifests.read(changed(files=files))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "format 2"),
        ({"version": "1.0"}, "three numbers"),
        ({"version": "1.0.00"}, "three numbers"),
        ({"algorithm": "../x"}, "three numbers"),
        ({"files": {}}, "does not list golden.json"),
        ({"files": {**GOOD.files, "model.onnx": File(sha256="abc", bytes=1)}}, "usable sha256"),
        ({"files": {**GOOD.files, "model.onnx": File(sha256=SHA, bytes=-1)}}, "usable sha256"),
        ({"parity": msgspec.structs.replace(GOOD.parity, equal=False)}, "without having been found equal"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ManifestInvalid, match=said):
        manifests.read(changed(**changes))


def test_a_signature_that_can_not_be_used_is_refused() -> None:
    manifest = manifests.read(changed(signature={"inputs": [], "output": {"kind": "regression"}}))

    with pytest.raises(ManifestInvalid, match="signature that can't be used"):
        manifests.signature_of(manifest)
