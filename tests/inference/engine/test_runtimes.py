"""The two ways a version answers, and what is refused of an ONNX file."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from inference.engine.errors import ArtifactUnsafe
from inference.engine.export import NotConvertible, to_onnx
from inference.engine.inputs import Input
from inference.engine.runtimes import OnnxRuntime, SklearnRuntime, estimator_input
from inference.engine.signature import Output, Row, Signature
from tests.inference.engine.signatures import MIXED

MIXED_ROWS: list[Row] = [
    (1.5, 3, "pump", 2**60 + 1, None, "c", None),
    (2.5, None, None, -(2**60), "x", "elsewhere", 7.0),
]


def numeric(output: Output) -> Signature:
    """Two float inputs."""
    return Signature((Input(name="a", dtype="float"), Input(name="b", dtype="float")), output)


def points(rows: int = 200) -> np.ndarray:
    """Seeded points in the plane."""
    return np.random.default_rng(5).normal(size=(rows, 2)).astype(np.float32)


@pytest.mark.parametrize("labels", [("a", "b", "c"), ("c", "b", "a"), ("b", "c", "a")])
def test_scores_stand_in_the_order_of_the_signatures_labels(labels: tuple[str, ...]) -> None:
    signature = numeric(Output(kind="classification", labels=labels))
    matrix = points()
    targets = np.array(["a", "b", "c"])[(matrix[:, 0] > 0).astype(int) + (matrix[:, 1] > 0)]
    estimator = LogisticRegression().fit(matrix, targets)
    columns = signature.columns(list(map(tuple, matrix.tolist())))

    expected = estimator.predict_proba(matrix)[:, [list(estimator.classes_).index(label) for label in labels]]
    assert SklearnRuntime(estimator, signature).scores(columns) == pytest.approx(expected)
    assert OnnxRuntime(to_onnx(estimator, signature), signature).scores(columns) == pytest.approx(expected, abs=1e-5)


def test_a_regression_gives_one_value_a_row() -> None:
    signature = numeric(Output(kind="regression"))
    matrix = points()
    estimator = Ridge().fit(matrix, matrix.sum(axis=1))
    columns = signature.columns(list(map(tuple, matrix.tolist())))

    for runtime in (SklearnRuntime(estimator, signature), OnnxRuntime(to_onnx(estimator, signature), signature)):
        assert runtime.scores(columns).shape == (200,)
        assert runtime.scores(columns) == pytest.approx(estimator.predict(matrix), abs=1e-5)


def test_an_anomaly_score_is_higher_where_it_is_odder() -> None:
    signature = numeric(Output(kind="anomaly"))
    estimator = IsolationForest(random_state=1, n_estimators=20).fit(points())
    columns = signature.columns([(0.0, 0.0), (9.0, 9.0)])

    for runtime in (SklearnRuntime(estimator, signature), OnnxRuntime(to_onnx(estimator, signature), signature)):
        usual, odd = runtime.scores(columns)
        assert usual < 0 < odd


def test_a_mixed_signature_becomes_a_table_with_names_and_types() -> None:
    table = estimator_input(MIXED.columns(MIXED_ROWS), MIXED)

    assert tuple(table.columns) == MIXED.names
    assert [str(dtype) for dtype in table.dtypes] == [
        "float32",
        "float32",
        "object",
        "int64",
        "object",
        "object",
        "float32",
    ]
    assert table["serial"].tolist() == [2**60 + 1, -(2**60)]
    assert table["kind"].tolist() == ["pump", ""]
    assert table["count"].isna().tolist() == [False, True]


def test_an_all_numeric_signature_stays_one_matrix() -> None:
    signature = numeric(Output(kind="regression"))
    columns = signature.columns([(1.0, 2.0)])

    assert estimator_input(columns, signature) is columns.matrix


def test_a_step_without_a_converter_says_so() -> None:
    estimator = make_pipeline(FunctionTransformer(np.abs), Ridge()).fit(points(), points()[:, 0])

    with pytest.raises(NotConvertible, match="no converter"):
        to_onnx(estimator, numeric(Output(kind="regression")))


# ---- What an ONNX file may not do -----------------------------------------------------------------------------------


def model(change: Callable[[onnx.ModelProto], None] = lambda made: None) -> bytes:
    """The bytes of a model that doubles its input, with something done to it."""
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [1], [2.0])
    graph = helper.make_graph(
        [helper.make_node("Mul", ["features", "weights"], ["variable"])],
        "double",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("variable", TensorProto.FLOAT, [None, 1])],
        [weights],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    change(made)
    return made.SerializeToString()


ONE = Signature((Input(name="a", dtype="float"),), Output(kind="regression"))


def _external(made: onnx.ModelProto) -> None:
    tensor = made.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def _external_in_an_attribute(made: onnx.ModelProto) -> None:
    constant = helper.make_node("Constant", [], ["more"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0]))
    constant.attribute[0].t.external_data.add(key="location", value="weights.bin")
    made.graph.node.append(constant)


def _external_in_a_branch(made: onnx.ModelProto) -> None:
    branch = helper.make_graph([], "branch", [], [], [helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])])
    branch.initializer[0].data_location = TensorProto.EXTERNAL
    made.graph.node.append(helper.make_node("If", ["features"], ["x"], then_branch=branch, else_branch=branch))


def _sparse_external(made: onnx.ModelProto) -> None:
    sparse = made.graph.sparse_initializer.add()
    sparse.values.CopyFrom(helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0]))
    sparse.values.external_data.add(key="location", value="weights.bin")


def _own_operator(made: onnx.ModelProto) -> None:
    made.graph.node[0].domain = "com.microsoft"


def _own_function(made: onnx.ModelProto) -> None:
    made.functions.append(helper.make_function("mine", "f", ["x"], ["y"], [], [helper.make_opsetid("", 18)]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_external, "another file"),
        (_external_in_an_attribute, "another file"),
        (_external_in_a_branch, "another file"),
        (_sparse_external, "another file"),
        (_own_operator, "not of ONNX"),
        (_own_function, "functions of its own"),
    ],
)
def test_an_onnx_file_that_reaches_out_is_refused(change: Callable[[onnx.ModelProto], None], said: str) -> None:
    with pytest.raises(ArtifactUnsafe, match=said):
        OnnxRuntime(model(change), ONE)


@pytest.mark.parametrize("data", [b"not a model", b"", model()[:-10], b"\x80\x05K\x01."])
def test_bytes_that_are_no_model_are_refused(data: bytes) -> None:
    with pytest.raises(ArtifactUnsafe):
        OnnxRuntime(data, ONE)


def test_the_unchanged_model_is_taken() -> None:
    assert OnnxRuntime(model(), ONE).scores(ONE.columns([(4.0,)])).tolist() == [8.0]


def test_a_forest_that_used_all_cores_answers_the_same_on_one() -> None:
    signature = numeric(Output(kind="classification", labels=("a", "b")))
    matrix = points()
    forest = RandomForestClassifier(10, n_jobs=2, random_state=1).fit(matrix, np.where(matrix[:, 0] > 0, "a", "b"))
    columns = signature.columns(list(map(tuple, matrix.tolist())))

    before = SklearnRuntime(forest, signature).scores(columns)
    assert (SklearnRuntime(forest.set_params(n_jobs=None), signature).scores(columns) == before).all()
