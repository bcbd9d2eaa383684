"""From a folder to a model that answers, and what is refused on the way."""

import json
import pickle
import shutil
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest

from inference.engine import loader, pickles, store
from inference.engine import manifest as manifests
from inference.engine.errors import ArtifactCorrupted, ArtifactError, ArtifactUnsafe, ManifestMismatch, ModelError
from inference.engine.loader import FULL_BATCH, load
from inference.engine.manifest import File, Manifest
from jobs.training.git import train
from tests import boilers
from tests.inference import tiny


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version answered by scikit-learn, with texts and missing values: its algorithm has a step without converter."""
    folder = boilers.write(
        tmp_path_factory.mktemp("artifacts"),
        algorithm=boilers.ALGORITHM.replace("SimpleImputer()", "SimpleImputer(add_indicator=True)"),
    )
    return train(folder, "plain").folder


@pytest.fixture
def version(trained: Path, tmp_path: Path) -> Path:
    """A copy of it to tamper with."""
    return Path(shutil.copytree(trained, tmp_path / "1.0.0"))


def rewritten(folder: Path, **changes: Any) -> str:
    """Write another manifest, with the files as they now are, and say its digest."""
    manifest = manifests.read((folder / manifests.NAME).read_bytes())
    files = {
        path.name: File(sha256=manifests.sha256(path.read_bytes()), bytes=path.stat().st_size)
        for path in folder.iterdir()
        if path.name != manifests.NAME
    }
    data = manifests.written(msgspec.structs.replace(manifest, files=files, **changes))
    (folder / manifests.NAME).write_bytes(data)
    return manifests.digest_of(data)


def test_a_version_answers_once_loaded(version: Path) -> None:
    model = load(version, digest=tiny.digest_of(version))

    assert (model.tag, model.runtime.name) == ("plain-1.0.0", "sklearn")
    row = model.signature.row({"flue_c": None, "starts": 12, "serial": 2**40, "fuel": "peat"})
    (text,) = model.predict([row])
    assert json.loads(text)["label"] in ("well", "due")
    assert model.full_batch_s > 0


def test_files_in_memory_load_as_a_folder_does(version: Path) -> None:
    files = store.read(version)
    golden = msgspec.json.decode(files["golden.json"])
    model = load(files, digest=tiny.digest_of(version))

    rows = [model.signature.row(row) for row in golden["rows"]]
    assert [json.loads(text) for text in model.predict(rows)] == golden["outputs"]
    assert len(rows) == min(FULL_BATCH, len(golden["outputs"]))


def test_an_onnx_version_loads_without_scikit_learn(tmp_path: Path) -> None:
    import subprocess

    folder = tiny.write_version(tiny.write_endpoint(tmp_path), slope=2.0)
    code = (
        "import sys; from pathlib import Path; from inference.engine.loader import load;"
        f"model = load(Path({str(folder)!r}), digest={tiny.digest_of(folder)!r});"
        "print(model.predict([(1.0, 2.0)]), model.inline, {'sklearn', 'joblib', 'pandas'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["['{\"value\":6}']", "True", "set()"]


def test_another_manifest_than_the_known_one_is_refused(version: Path) -> None:
    known = tiny.digest_of(version)
    rewritten(version, seed=8)

    with pytest.raises(ManifestMismatch):
        load(version, digest=known)


class Marker:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["model.joblib", "extra.joblib"])
def test_a_pickle_the_manifest_does_not_list_is_never_opened(version: Path, tmp_path: Path, name: str) -> None:
    digest, marker = tiny.digest_of(version), tmp_path / "marker"
    (version / name).write_bytes(pickle.dumps(Marker(marker)))

    with pytest.raises(ArtifactError):
        load(version, digest=digest)
    assert not marker.exists()


def test_a_listed_pickle_that_names_other_code_does_not_run(version: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (version / "model.joblib").write_bytes(pickle.dumps(Marker(marker)))
    digest = rewritten(version)

    with pytest.raises(ArtifactUnsafe, match="names `pathlib"):
        load(version, digest=digest)
    assert not marker.exists()


def test_a_version_of_another_scikit_learn_is_refused_before_it_is_opened(version: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (version / "model.joblib").write_bytes(pickle.dumps(Marker(marker)))
    manifest = manifests.read((version / manifests.NAME).read_bytes())
    packages = {**manifest.environment.packages, "scikit-learn": "1.2.0"}
    digest = rewritten(version, environment=msgspec.structs.replace(manifest.environment, packages=packages))

    with pytest.raises(ArtifactUnsafe, match=r"written with scikit-learn 1\.2\.0"):
        load(version, digest=digest)
    assert not marker.exists()


def test_a_pickle_that_says_it_is_of_another_scikit_learn_is_refused(version: Path) -> None:
    import sklearn

    data = (version / "model.joblib").read_bytes()
    other = f"{'9' * len(sklearn.__version__)}".encode()
    assert sklearn.__version__.encode() in data
    (version / "model.joblib").write_bytes(data.replace(sklearn.__version__.encode(), other))
    digest = rewritten(version)

    with pytest.raises(ArtifactUnsafe, match="another scikit-learn"):
        load(version, digest=digest)


def test_pickles_opened_side_by_side_leave_the_filters_of_warnings_alone(
    version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, data = manifests.read((version / manifests.NAME).read_bytes()), (version / "model.joblib").read_bytes()
    opened = {"first": Event(), "second": Event()}
    first_over = Event()

    def loads(data: bytes, *, distributions: tuple[str, ...], place: str) -> Any:
        opened[place].set()
        if place == "first":
            opened["second"].wait(0.5)  # It must not come: this is how long it is given to.
        else:
            first_over.wait(10)
        return pickles.loads(data, distributions=distributions, place=place)

    monkeypatch.setattr(loader, "loads", loads)
    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(loader.estimator_of, manifest, data, place="first")
        assert opened["first"].wait(10)
        second = threads.submit(loader.estimator_of, manifest, data, place="second")
        first.result()
        first_over.set()
        second.result()
    assert list(warnings.filters) == before


@pytest.mark.parametrize(
    ("golden", "refusal", "said"),
    [
        (b"{}", ArtifactCorrupted, "can't be read"),
        (b'{"rows":[],"outputs":[]}', ArtifactCorrupted, "one at least"),
        (b'{"rows":[[1,2]],"outputs":[]}', ArtifactCorrupted, "as many outputs"),
        (b'{"rows":[["x",2]],"outputs":[{"value":3}]}', ArtifactCorrupted, "can't be read"),
        (b'{"rows":[[1,2]],"outputs":[{"value":3.5}]}', ArtifactUnsafe, "row 0 was answered"),
    ],
)
def test_golden_rows_must_be_answered_as_recorded(
    tmp_path: Path, golden: bytes, refusal: type[ArtifactError], said: str
) -> None:
    folder = tiny.write_version(tiny.write_endpoint(tmp_path))
    (folder / "golden.json").write_bytes(golden)

    with pytest.raises(refusal, match=said):
        load(folder, digest=rewritten(folder))


def test_a_compiled_model_that_can_not_be_loaded_is_refused(tmp_path: Path) -> None:
    folder = tiny.write_version(tiny.write_endpoint(tmp_path))
    (folder / "model.onnx").write_bytes(b"\x08\x08")

    with pytest.raises(ArtifactUnsafe, match="ONNX Runtime can't load it"):
        load(folder, digest=rewritten(folder))


def test_what_a_model_raises_becomes_a_model_error(tmp_path: Path) -> None:
    folder = tiny.write_version(tiny.write_endpoint(tmp_path))
    model = load(folder, digest=tiny.digest_of(folder))

    with pytest.raises(ModelError, match=r"line-1\.0\.0"):
        model.predict([(1.0, 2.0, 3.0)])


def test_an_answer_that_is_not_finite_becomes_a_model_error(tmp_path: Path) -> None:
    folder = tiny.write_version(tiny.write_endpoint(tmp_path), slope=1e37)
    model = load(folder, digest=tiny.digest_of(folder))

    with pytest.raises(ModelError):
        model.predict([(50.0, 50.0)])


def test_loading_leaves_warnings_as_they_were(version: Path) -> None:
    before = list(warnings.filters)
    load(version, digest=tiny.digest_of(version))

    assert list(warnings.filters) == before


def test_a_manifest_says_what_it_is(version: Path) -> None:
    assert isinstance(load(version, digest=None).manifest, Manifest)
