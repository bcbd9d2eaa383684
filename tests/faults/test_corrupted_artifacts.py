"""F21: files of versions are cut, changed, swapped and added to. None is opened, and what was good goes on."""

import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from inference.engine import manifest as manifests
from inference.engine.errors import ArtifactCorrupted, ArtifactError, ArtifactUnlisted, ManifestMismatch
from inference.engine.loader import load
from tests.bench.readings import SHUTTLE, rows
from tests.faults.checker import Checker
from tests.faults.crowd import Crowd
from tests.faults.deployer import Deployer
from tests.faults.history import History
from tests.faults.stack import ENDPOINT, Stack

pytestmark = pytest.mark.fault

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


class Marker:
    """Unpickled, it leaves a file behind: the proof that code of an artifact ran."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version served by scikit-learn, so that loading it opens its pickle. Its folder, and beside it its digest."""
    folder = tmp_path / "1.0.0"
    shutil.copytree(SHUTTLE / "logistic_regression" / "1.0.0", folder)
    manifest = manifests.read((folder / manifests.NAME).read_bytes())
    parity = msgspec.structs.replace(manifest.parity, equal=False, reason="Served by scikit-learn for this test.")
    _rewrite(folder, msgspec.structs.replace(manifest, runtime="sklearn", parity=parity))
    return folder


def _rewrite(folder: Path, manifest: manifests.Manifest) -> None:
    (folder / manifests.NAME).write_bytes(manifests.written(manifest))


def _digest(folder: Path) -> str:
    return manifests.digest_of((folder / manifests.NAME).read_bytes())


def _truncated(folder: Path, marker: Path) -> None:
    model = folder / "model.joblib"
    model.write_bytes(model.read_bytes()[:-100])


def _flipped(folder: Path, marker: Path) -> None:
    model = folder / "model.joblib"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)


def _emptied(folder: Path, marker: Path) -> None:
    (folder / "model.joblib").write_bytes(b"")


def _pointer(folder: Path, marker: Path) -> None:
    (folder / "model.joblib").write_bytes(LFS_POINTER)


def _swapped(folder: Path, marker: Path) -> None:
    shutil.copy(SHUTTLE / "gradient_boosting" / "1.0.0" / "model.joblib", folder / "model.joblib")


def _pickle_in_its_place(folder: Path, marker: Path) -> None:
    (folder / "model.joblib").write_bytes(pickle.dumps(Marker(marker)))


def _pickle_beside_it(folder: Path, marker: Path) -> None:
    (folder / "extra.joblib").write_bytes(pickle.dumps(Marker(marker)))


def _pickle_with_a_manifest_of_its_own(folder: Path, marker: Path) -> None:
    data = pickle.dumps(Marker(marker))
    (folder / "model.joblib").write_bytes(data)
    manifest = manifests.read((folder / manifests.NAME).read_bytes())
    listed = manifests.File(sha256=manifests.sha256(data), bytes=len(data))
    _rewrite(folder, msgspec.structs.replace(manifest, files=manifest.files | {"model.joblib": listed}))


TAMPERED: list[tuple[Callable[[Path, Path], None], type[ArtifactError]]] = [
    (_truncated, ArtifactCorrupted),
    (_flipped, ArtifactCorrupted),
    (_emptied, ArtifactCorrupted),
    (_pointer, ArtifactCorrupted),
    (_swapped, ArtifactCorrupted),
    (_pickle_in_its_place, ArtifactCorrupted),
    (_pickle_beside_it, ArtifactUnlisted),
    (_pickle_with_a_manifest_of_its_own, ManifestMismatch),
]


def test_the_untouched_version_loads(version: Path) -> None:
    assert load(version, digest=_digest(version)).runtime.name == "sklearn"


@pytest.mark.parametrize(("tamper", "error"), TAMPERED, ids=lambda part: part.__name__.strip("_"))
def test_a_tampered_version_is_refused_by_name_and_not_opened(
    version: Path, tmp_path: Path, tamper: Callable[[Path, Path], None], error: type[ArtifactError]
) -> None:
    digest = _digest(version)
    marker = tmp_path / "marker"
    tamper(version, marker)

    with pytest.raises(error):
        load(version, digest=digest)

    assert not marker.exists()


def _stored(stack: Stack, tag: str) -> Path:
    """Where the store keeps a version's compiled model."""
    algorithm, _, _ = tag.rpartition("-")
    query = (
        "SELECT v.digest FROM inference_version v JOIN inference_endpoint e ON e.id = v.endpoint_id"
        " WHERE e.slug = %s AND v.algorithm = %s"
    )
    digest = stack.sql(query, (ENDPOINT, algorithm))[0][0]
    return stack.home / "store" / digest.replace(":", "/") / "model.onnx"


@pytest.fixture
def tampered(stack: Stack) -> Iterator[str]:
    """A version that is not live and never was loaded, with one bit of its stored model changed. Its tag."""
    stack.web_kill()
    stored = _stored(stack, "gradient_boosting-1.0.0")
    intact = stored.read_bytes()
    stored.chmod(0o644)
    stored.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
    yield "gradient_boosting-1.0.0"
    stored.write_bytes(intact)
    stack.web_kill()


def _models(stack: Stack) -> dict[str, Any]:
    """What /readyz says of the models."""
    return stack.get("/readyz").body["capabilities"]["models"]


def _reason(stack: Stack) -> str:
    """Why the endpoint can't use its deployed version, for those who may know."""
    endpoints = stack.get("/api/v1/endpoints/").body["endpoints"]
    return next(endpoint["reason"] for endpoint in endpoints if endpoint["endpoint"] == ENDPOINT)


async def test_the_last_good_version_serves_when_the_next_is_corrupted(
    stack: Stack, history: History, tampered: str
) -> None:
    stack.heal()
    good = stack.champion()
    with Deployer(stack) as deployer:
        async with Crowd(stack, history, "f21", sockets=5, callers=2) as crowd:
            deployer.deploy(tampered)
            await stack.becomes(lambda: not _models(stack)["ready"], "/readyz names what is missing")
            await crowd.everyone_is_answered(times=20)
            ready, reason = stack.get("/readyz").status, _reason(stack)
        deployer.deploy(good)

    assert ready == 200
    assert f"{tampered}: artifact_corrupted" in reason
    assert history.of("fail") == []
    assert {operation.version for operation in history} == {good}
    assert Checker(stack, history).problems() == []


async def test_a_process_that_starts_on_a_corrupted_version_serves_the_rest(stack: Stack, tampered: str) -> None:
    good = stack.champion()
    with Deployer(stack) as deployer:
        deployer.deploy(tampered)
        stack.web_start()
        await stack.becomes(lambda: stack.get("/readyz").status == 200, "the other endpoint makes the process ready")
        models, reason = _models(stack), _reason(stack)
        answer = stack.post(f"/api/v1/endpoints/{ENDPOINT}/predict", {"features": list(rows(1)[0])})
        deployer.deploy(good)

    assert models == {"ready": False, "reason": models["reason"]}
    assert "1 of 2" in models["reason"]
    assert f"{tampered}: artifact_corrupted" in reason
    assert (answer.status, answer.body["code"]) == (503, "model_unavailable")
