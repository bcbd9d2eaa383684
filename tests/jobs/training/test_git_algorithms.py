"""Algorithms that versions for git are trained with: their own code, and those that can't be used."""

import sys
from pathlib import Path

import pytest

from inference.engine.errors import ArtifactUnsafe
from inference.engine.loader import load
from jobs.errors import AlgorithmInvalid, TrainingFailed
from jobs.training.git import train
from tests import boilers


def test_a_class_of_the_algorithms_own_file_is_refused(tmp_path: Path) -> None:
    algorithm = """
from sklearn.linear_model import LogisticRegression
from sklearn.impute import SimpleImputer
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline

class Mine(LogisticRegression):
    pass

def build(params, seed):
    return make_pipeline(make_column_transformer((SimpleImputer(), ["flue_c", "starts"])), Mine())
"""
    with pytest.raises(ArtifactUnsafe, match=r"params\.toml"):
        train(boilers.write(tmp_path, algorithm=algorithm), "plain")


OTHERS = """
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_info

def build(params, seed):
    columns = make_column_transformer((SimpleImputer(), ["flue_c", "starts"]))
    made = make_pipeline(columns, LogisticRegression())
    made.described_by = threadpool_info
    return made
"""


def test_code_of_other_distributions_needs_to_be_listed(tmp_path: Path) -> None:
    with pytest.raises(ArtifactUnsafe, match="names `threadpoolctl"):
        train(boilers.write(tmp_path / "a", algorithm=OTHERS), "plain")

    params = 'seed = 1\ndistributions = ["threadpoolctl"]\n'
    trained = train(boilers.write(tmp_path / "b", algorithm=OTHERS, params=params), "plain")
    assert trained.manifest.distributions == ("threadpoolctl",)
    assert "threadpoolctl" in trained.manifest.environment.packages
    assert load(trained.folder, digest=trained.digest).predict([(100.0, 3, 4, "gas")])


ODD = """
from sklearn.ensemble import IsolationForest

def build(params, seed):
    return IsolationForest(n_estimators=30, contamination=0.1, random_state=seed)
"""


@pytest.mark.parametrize("target", ["", 'target = "state"\nlabels = { 0 = "normal", 1 = "anomaly" }'])
def test_an_anomaly_endpoint_needs_no_truth_and_is_measured_with_it(tmp_path: Path, target: str) -> None:
    endpoint = f"""
slug = "odd-boilers"
[output]
kind = "anomaly"
[data]
file = "boilers.csv"
{target}
[[inputs]]
name = "starts"
dtype = "int"
min = 0
max = 100000
"""
    trained = train(boilers.write(tmp_path, endpoint=endpoint, algorithm=ODD, params="seed = 3"), "plain")

    assert ("roc_auc" in trained.manifest.metrics) is bool(target)
    assert trained.manifest.runtime == "onnx"
    usual, odd = load(trained.folder, digest=trained.digest).predict([(10000,), (90000,)])
    assert '"label":"normal"' in usual
    assert '"label":"anomaly"' in odd


@pytest.mark.parametrize(
    ("body", "refusal", "said"),
    [
        ("def build(params, seed", AlgorithmInvalid, "can't be run: SyntaxError"),
        ("import nothing_of_this_name", AlgorithmInvalid, "can't be run: ModuleNotFoundError"),
        ("built = 1", AlgorithmInvalid, "needs a function"),
        ("def build(params, seed): raise KeyError('depth')", TrainingFailed, "can't be fitted: KeyError"),
        ("def build(params, seed): return None", TrainingFailed, "can't be fitted"),
        (
            "from sklearn.linear_model import LogisticRegression\ndef build(*_): return LogisticRegression(C=-1)",
            TrainingFailed,
            "can't be fitted",
        ),
        (
            "from sklearn.preprocessing import OneHotEncoder\ndef build(params, seed): return OneHotEncoder()",
            TrainingFailed,
            "needs a pipeline with `predict_proba`",
        ),
    ],
)
def test_an_algorithm_that_can_not_be_used_is_named(
    tmp_path: Path, body: str, refusal: type[Exception], said: str
) -> None:
    with pytest.raises(refusal, match=said):
        train(boilers.write(tmp_path, algorithm=body), "plain")


@pytest.mark.parametrize(
    "params", ["", "seed = -1", 'seed = "a"', "seed = 1\nparams = 2", "seed = 1\nmore = 2", "seed ="]
)
def test_params_that_can_not_be_used_are_named(tmp_path: Path, params: str) -> None:
    with pytest.raises(AlgorithmInvalid, match=r"params\.toml"):
        train(boilers.write(tmp_path, params=params), "plain")


def test_a_label_the_data_lacks_is_named(tmp_path: Path) -> None:
    endpoint = boilers.ENDPOINT.replace('labels = ["well", "due"]', 'labels = ["well", "due", "broken"]')

    with pytest.raises(TrainingFailed, match="it learnt the labels due, well; the endpoint has well, due, broken"):
        train(boilers.write(tmp_path, endpoint=endpoint), "plain")


def test_an_algorithm_leaves_the_import_path_and_modules_alone(tmp_path: Path) -> None:
    before = list(sys.path)
    train(boilers.write(tmp_path), "plain")

    assert sys.path == before
    assert not [name for name in sys.modules if name.startswith("foretell_artifact")]
    assert not list(tmp_path.rglob("__pycache__"))
