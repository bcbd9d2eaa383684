"""Training versions for git."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import msgspec
import pytest

from inference.engine import manifest as manifests
from inference.engine.loader import load
from jobs.errors import AlgorithmInvalid, VersionExists
from jobs.training.git import train
from tests import boilers

FOREST = """
from sklearn.ensemble import RandomForestClassifier
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

def build(params, seed):
    columns = make_column_transformer((SimpleImputer(), ["flue_c", "starts"]))
    return make_pipeline(columns, RandomForestClassifier(n_estimators=10, n_jobs=-1))
"""
ROOT = Path(__file__).resolve().parents[3]


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_version_is_trained_placed_and_answers(tmp_path: Path) -> None:
    said: list[str] = []
    trained = train(boilers.write(tmp_path), "plain", say=said.append)

    assert trained.new
    assert trained.folder == tmp_path / "boilers" / "plain" / "1.0.0"
    assert sorted(content(trained.folder)) == ["golden.json", "manifest.json", "model.joblib", "model.onnx"]
    model = load(trained.folder, digest=trained.digest)
    assert model.runtime.name == "onnx"
    hot = {"flue_c": 390, "starts": 30000, "serial": 1, "fuel": None}
    assert '"label":"due"' in model.predict([model.signature.row(hot)])[0]
    assert any("ONNX equal" in line for line in said)


def test_its_manifest_tells_all_about_it(tmp_path: Path) -> None:
    folder = boilers.write(tmp_path)
    manifest = train(folder, "plain").manifest

    assert manifest.data == {
        "data/boilers.csv": manifests.Data(
            sha256=manifests.sha256((folder / "data" / "boilers.csv").read_bytes()), rows=240
        )
    }
    assert set(manifest.code) == {"plain/algorithm.py", "plain/params.toml"}
    assert (manifest.seed, manifest.params) == (7, {"C": 2.0})
    assert manifest.metrics["accuracy"] > 0.8
    assert manifest.metrics["rows"] == 48
    assert manifest.reference["fuel"]["nulls"] + sum(manifest.reference["fuel"]["categories"].values()) == 192
    assert manifest.reference["flue_c"]["nulls"] > 0
    assert manifest.parity.equal


def test_training_twice_in_two_processes_gives_the_same_bits(tmp_path: Path) -> None:
    made = []
    for number, hash_seed in enumerate(("1", "2")):
        boilers.write(tmp_path / str(number))
        forest = tmp_path / str(number) / "boilers" / "forest"
        forest.mkdir()
        (forest / "algorithm.py").write_text(FOREST)
        (forest / "params.toml").write_text("seed = 5")
        code = (
            "from pathlib import Path; from jobs.training.git import train;"
            f"folder = Path({str(tmp_path / str(number) / 'boilers')!r});"
            "train(folder, 'plain'); train(folder, 'forest')"
        )
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": hash_seed}
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment)
        made.append(content(tmp_path / str(number)))

    assert made[0] == made[1]
    assert sum(name.endswith("model.joblib") for name in made[0]) == 2
    assert not [name for name in made[0] if "__pycache__" in name or "/." in name]


def test_training_again_finds_the_same_bits_and_changes_nothing(tmp_path: Path) -> None:
    folder = boilers.write(tmp_path)
    first = train(folder, "plain")
    before = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    again = train(folder, "plain")

    assert (again.new, again.digest) == (False, first.digest)
    assert {path: path.stat().st_mtime_ns for path in first.folder.iterdir()} == before


def test_a_gate_that_cannot_be_is_refused_before_a_retraining_meets_it(tmp_path: Path) -> None:
    folder = boilers.write(tmp_path)
    params = folder / "plain" / "params.toml"
    params.write_text(params.read_text() + '\n[gate]\nmetric = "r2"\n')

    with pytest.raises(AlgorithmInvalid, match=r"plain/params.toml: `\[gate\]` has metric 'r2'"):
        train(folder, "plain")
    assert not (folder / "plain" / "1.0.0").exists()


def test_a_retrained_version_that_was_pulled_into_git_is_left_alone(tmp_path: Path) -> None:
    folder = boilers.write(tmp_path)
    first = train(folder, "plain")
    retrained = first.folder.with_name("1.0.1")
    shutil.copytree(first.folder, retrained)

    assert train(folder, "plain").folder == first.folder


def test_a_version_that_is_there_is_never_replaced_by_other_bits(tmp_path: Path) -> None:
    folder = boilers.write(tmp_path)
    first = train(folder, "plain")
    before = content(first.folder)
    (folder / "plain" / "params.toml").write_text("seed = 7\n[params]\nC = 0.5\n")

    with pytest.raises(VersionExists, match=r"--version 1\.1\.0"):
        train(folder, "plain")
    assert content(first.folder) == before
    assert sorted(path.name for path in first.folder.parent.iterdir()) == ["1.0.0", "algorithm.py", "params.toml"]
    assert train(folder, "plain", version="1.1.0").manifest.tag == "plain-1.1.0"


@pytest.mark.parametrize(
    ("version", "said"),
    [("1.0.1", "PATCH belongs to retraining"), ("2.0.0", "Keep MAJOR 1"), ("1.0", "three numbers")],
)
def test_a_number_that_says_something_untrue_is_refused(tmp_path: Path, version: str, said: str) -> None:
    folder = boilers.write(tmp_path)
    train(folder, "plain")

    with pytest.raises(VersionExists, match=said):
        train(folder, "plain", version=version)


def test_another_signature_needs_another_major(tmp_path: Path) -> None:
    folder = boilers.write(tmp_path)
    train(folder, "plain")
    (folder / "endpoint.toml").write_text(boilers.ENDPOINT.replace("max = 400", "max = 500"))

    with pytest.raises(VersionExists, match=r"--version 2\.0\.0"):
        train(folder, "plain", version="1.1.0")
    assert train(folder, "plain", version="2.0.0").manifest.number == (2, 0, 0)


def test_what_does_not_convert_is_answered_by_scikit_learn_and_says_why(tmp_path: Path) -> None:
    algorithm = boilers.ALGORITHM.replace("SimpleImputer()", "SimpleImputer(add_indicator=True)")
    trained = train(boilers.write(tmp_path, algorithm=algorithm), "plain")

    assert trained.manifest.runtime == "sklearn"
    assert "no converter" in str(trained.manifest.parity.reason)
    assert "model.onnx" not in trained.manifest.files
    assert load(trained.folder, digest=trained.digest).runtime.name == "sklearn"


def test_what_converts_wrongly_is_answered_by_scikit_learn_and_says_why(tmp_path: Path) -> None:
    algorithm = FOREST.replace("SimpleImputer()", '"passthrough"').replace("n_jobs=-1", "random_state=seed")
    trained = train(boilers.write(tmp_path, algorithm=algorithm), "plain")

    assert trained.manifest.runtime == "sklearn"
    assert "rows differ" in str(trained.manifest.parity.reason)


def test_the_committed_joblib_is_the_model_that_answers(tmp_path: Path) -> None:
    trained = train(boilers.write(tmp_path), "plain")
    model = load(trained.folder, digest=trained.digest)
    estimator = joblib.load(trained.folder / "model.joblib")
    golden = msgspec.json.decode((trained.folder / "golden.json").read_bytes())

    from inference.engine.runtimes import estimator_input

    rows = [model.signature.row(row) for row in golden["rows"]]
    scores = estimator.predict_proba(estimator_input(model.signature.columns(rows), model.signature))
    for text, row in zip(model.predict(rows), scores, strict=True):
        said = msgspec.json.decode(text)["scores"]
        assert [said[label] for label in estimator.classes_] == pytest.approx(row.tolist(), abs=1e-5)
