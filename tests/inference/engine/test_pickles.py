"""What a pickle may name."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from inference.engine import pickles
from inference.engine.errors import ArtifactUnsafe


class Calls:
    """Unpickled, it calls something."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def named(module: str, name: str) -> bytes:
    """A pickle that calls `module.name()`."""
    parts = [b"\x80\x05"]
    for text in (module, name):
        data = text.encode()
        parts.append(b"\x8c" + bytes([len(data)]) + data)
    return b"".join([*parts, b"\x93)R."])


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        RandomForestClassifier(3, random_state=1),
        HistGradientBoostingClassifier(max_iter=2, random_state=1),
    ],
)
def test_scikit_learns_own_estimators_pass(estimator: Any) -> None:
    matrix = np.random.default_rng(1).normal(size=(80, 3)).astype(np.float32)
    estimator.fit(matrix, np.where(matrix[:, 0] > 0, "a", "b"))
    data = pickles.dumps(make_pipeline(estimator))

    assert (pickles.loads(data).predict_proba(matrix) == estimator.predict_proba(matrix)).all()


def test_joblib_reads_the_file_too(tmp_path: Path) -> None:
    encoder = OneHotEncoder().fit(np.array([["gas"], ["oil"]], dtype=object))
    (tmp_path / "model.joblib").write_bytes(pickles.dumps(encoder))

    assert joblib.load(tmp_path / "model.joblib").categories_[0].tolist() == ["gas", "oil"]


def test_code_that_would_run_is_refused_and_does_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    data = pickle.dumps(Calls(Path.touch, marker))

    with pytest.raises(ArtifactUnsafe, match="names `pathlib"):
        pickles.loads(data)
    assert not marker.exists()


def test_code_hidden_in_an_array_of_objects_is_refused_and_does_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    array = np.array([Calls(Path.touch, marker)], dtype=object)
    written = io.BytesIO()
    joblib.dump(array, written)

    for data in (pickle.dumps(array), written.getvalue()):
        with pytest.raises(ArtifactUnsafe):
            pickles.loads(data)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("subprocess", "Popen"),
        ("sklearnx", "anything"),
        ("joblib.parallel", "os"),
        ("joblib.parallel", "os.system"),
        ("numpy.testing._private.utils", "runstring"),
        ("numpy.f2py.crackfortran", "myeval"),
        ("joblib.externals.cloudpickle", "loads"),
        ("sklearn.base", "warnings.warn"),
        ("foretell_artifact_x", "Model"),
    ],
)
def test_a_name_outside_the_list_is_refused(module: str, name: str) -> None:
    with pytest.raises(ArtifactUnsafe, match="names `"):
        pickles.loads(named(module, name))


def test_a_listed_distribution_may_be_named() -> None:
    data = named("structlog", "get_logger")

    with pytest.raises(ArtifactUnsafe):
        pickles.loads(data)
    assert pickles.loads(data, distributions=["structlog"]) is not None


def test_a_distributions_package_may_have_another_name() -> None:
    assert "rest_framework" in pickles.allowed_packages(["DjangoRestFramework"])


@pytest.mark.parametrize("data", [b"", b"\x80\x05", b"garbage", b"\x80\x05K\x01K\x02R.", pickles.dumps([1, 2, 3])[:-2]])
def test_what_is_no_pickle_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactUnsafe, match="can't be read"):
        pickles.loads(data)


def test_what_can_not_be_pickled_is_named() -> None:
    with pytest.raises(ArtifactUnsafe, match="can't be pickled"):
        pickles.dumps(lambda: None)
