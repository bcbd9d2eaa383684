"""From scikit-learn to ONNX: what the converter alone would get wrong."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from skl2onnx import to_onnx as converted
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, VotingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from inference.engine import pickles
from inference.engine.export import OPSETS, NotConvertible, to_onnx
from inference.engine.inputs import Input
from inference.engine.runtimes import OnnxRuntime, SklearnRuntime
from inference.engine.signature import Columns, Output, Signature

ROOT = Path(__file__).resolve().parents[3]
ONE = Signature((Input(name="a", dtype="float"),), Output(kind="regression"))


def stairs() -> tuple[np.ndarray, np.ndarray]:
    """A step at every hundredth."""
    matrix = (np.arange(0, 200, 2) / 100).astype(np.float32).reshape(-1, 1)
    return np.repeat(matrix, 5, axis=0), np.repeat(np.arange(100) % 2, 5).astype(float)


def half_way(matrix: np.ndarray) -> Columns:
    """Readings half way between those trained on, and their float32 neighbours."""
    known = np.unique(matrix)
    middle = ((known[1:].astype(np.float64) + known[:-1]) / 2).astype(np.float32)
    tried = np.concatenate([np.nextafter(middle, np.float32(side)) for side in (-9, 9)] + [middle])
    return Columns(len(tried), tried.reshape(-1, 1))


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_reading_half_way_between_two_training_values_goes_the_same_way(wrapped: bool) -> None:
    matrix, targets = stairs()
    boosting = HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=1, max_leaf_nodes=100, random_state=1)
    estimator = make_pipeline(
        ColumnTransformer([("all", "passthrough", [0])]), VotingRegressor([("one", boosting)]) if wrapped else boosting
    )
    estimator.fit(matrix, targets)
    tried = half_way(matrix)
    expected = SklearnRuntime(estimator, ONE).scores(tried)

    assert OnnxRuntime(to_onnx(estimator, ONE), ONE).scores(tried) == pytest.approx(expected, abs=1e-5)
    plain = converted(estimator, X=matrix[:1], target_opset=OPSETS).SerializeToString()
    session = ort.InferenceSession(plain, providers=["CPUExecutionProvider"])
    feed = session.run(None, {"X": tried.matrix})[0].reshape(-1)
    assert np.abs(feed - expected).max() > 0.1, "the converter alone is right now: the correction can go"


def test_the_fitted_estimator_is_left_as_it_was() -> None:
    matrix, targets = stairs()
    estimator = HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=1, random_state=1).fit(matrix, targets)
    before = pickles.dumps(estimator)
    to_onnx(estimator, ONE)

    assert pickles.dumps(estimator) == before


def test_the_same_estimator_gives_the_same_bytes() -> None:
    matrix, targets = stairs()
    estimator = HistGradientBoostingRegressor(max_iter=5, random_state=1).fit(matrix, targets)

    assert to_onnx(estimator, ONE) == to_onnx(pickles.loads(pickles.dumps(estimator)), ONE)


def test_every_process_gives_the_same_bytes() -> None:
    program = (
        "import hashlib\n"
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import StandardScaler\n"
        "from sklearn.svm import SVR\n"
        "from inference.engine.export import to_onnx\n"
        "from tests.inference.engine.test_export import ONE, stairs\n"
        "fitted = make_pipeline(StandardScaler(), SVR()).fit(*stairs())\n"
        "print(hashlib.sha256(to_onnx(fitted, ONE)).hexdigest())\n"
    )
    digests = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        digests.add(subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, env=environment))

    assert len(digests) == 1


def test_an_estimator_of_another_kind_is_not_convertible() -> None:
    matrix, targets = stairs()
    classifier = LogisticRegression().fit(matrix, targets)

    with pytest.raises(NotConvertible, match="no output `variable`"):
        to_onnx(classifier, ONE)
