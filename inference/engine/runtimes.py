"""The two ways a version answers: ONNX Runtime where it was proven equal, scikit-learn where it was not."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from inference.engine.errors import ArtifactUnsafe
from inference.engine.outputs import Scores
from inference.engine.signature import Columns, Signature

MATRIX = "features"
"""The name of the one input of an all-numeric ONNX model: float32 [n, inputs]."""
OUTPUTS = {"classification": "probabilities", "regression": "variable", "anomaly": "scores"}
"""The converter's name of the output that holds the scores, by kind of output."""
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_ERROR = 3
"""ONNX Runtime's severity from which it logs; its warnings are about optimisations."""


Order = slice | npt.NDArray[np.intp] | None


class Runtime(Protocol):
    """Something that answers columns."""

    name: str

    def scores(self, columns: Columns) -> Scores:
        """The answers to n rows: what `outputs.encode` takes, float32 or float64.

        Classification [n, labels] in the order of the signature's labels; regression [n]; anomaly [n], higher is more
        anomalous.
        """
        ...


class OnnxRuntime:
    """A version compiled to ONNX. One thread: the calls themselves run side by side."""

    name = "onnx"

    def __init__(self, data: bytes, signature: Signature, *, place: str = "model.onnx") -> None:
        """Make a session from the model's bytes.

        Args:
            data: the ONNX model, whole in itself.
            signature: what it answers.
            place: what errors call it.

        Raises:
            ArtifactUnsafe: it refers to other files or to operators outside the ONNX standard, or can't be loaded.
        """
        refuse_unsafe_onnx(data, place=place)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERROR
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        try:
            session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ArtifactUnsafe(place, f"ONNX Runtime can't load it: {error}") from error
        self._run = session.run
        self._signature = signature
        self._outputs = [OUTPUTS[signature.output.kind]]
        self._kind = signature.output.kind
        # scikit-learn sorts its classes, and the converter keeps them so.
        self._order = _order(sorted(signature.output.labels), signature.output.labels)
        self._single = signature.all_numeric

    def scores(self, columns: Columns) -> Scores:
        """The answers to n rows, float32."""
        feed = {MATRIX: columns.matrix} if self._single else self._feed(columns)
        answers: Scores = self._run(self._outputs, feed)[0]
        if self._kind == "classification":
            return answers if self._order is None else answers[:, self._order]
        return answers.reshape(-1) if self._kind == "regression" else -answers.reshape(-1)

    def _feed(self, columns: Columns) -> dict[str, npt.NDArray[Any]]:
        """One [n, 1] tensor an input, by name: a graph of a ColumnTransformer takes them apart anyway."""
        feed: dict[str, npt.NDArray[Any]] = {**columns.integers, **columns.strings}
        position = 0
        for one in self._signature.inputs:
            if one.numeric:
                feed[one.name] = np.ascontiguousarray(columns.matrix[:, position : position + 1])
                position += 1
        return feed


class SklearnRuntime:
    """A version answered by the scikit-learn estimator itself."""

    name = "sklearn"

    def __init__(self, estimator: Any, signature: Signature) -> None:
        self._estimator = estimator
        self._signature = signature
        self._order: Order = None
        if signature.output.kind == "classification":
            self._order = _order([str(label) for label in estimator.classes_], signature.output.labels)

    def scores(self, columns: Columns) -> Scores:
        """The answers to n rows, float64."""
        inputs = estimator_input(columns, self._signature)
        kind = self._signature.output.kind
        if kind == "classification":
            answers = self._estimator.predict_proba(inputs)
            answers = answers if self._order is None else answers[:, self._order]
        elif kind == "regression":
            answers = self._estimator.predict(inputs).reshape(-1)
        else:
            answers = -self._estimator.decision_function(inputs).reshape(-1)
        return np.asarray(answers)


def estimator_input(columns: Columns, signature: Signature) -> Any:
    """What a pipeline is fitted on and asked with, in training and in serving alike.

    An all-numeric signature gives the float32 matrix [n, inputs]. Any other gives a DataFrame with the inputs' names:
    float32, int64 and str (object) columns.
    """
    if signature.all_numeric:
        return columns.matrix
    import pandas as pd  # only versions with strings need it, and it is slow to import

    made, position = {}, 0
    for one in signature.inputs:
        if one.numeric:
            made[one.name] = pd.Series(columns.matrix[:, position])
            position += 1
        elif one.dtype == "int64":
            made[one.name] = pd.Series(columns.integers[one.name][:, 0])
        else:
            # Without the dtype pandas makes its own string type of it, which encoders treat differently.
            made[one.name] = pd.Series(columns.strings[one.name][:, 0], dtype=object)
    return pd.DataFrame(made)


def refuse_unsafe_onnx(data: bytes, *, place: str = "model.onnx") -> None:
    """Check that a model is whole in itself and made of standard operators only.

    ONNX lets a tensor lie in another file, by any path, and lets a model bring operators and functions of its own.

    Raises:
        ArtifactUnsafe: it does one of these, or is no ONNX model.
    """
    import onnx
    from google.protobuf.message import DecodeError, Message

    def messages(message: Message) -> Any:
        yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                for part in value if field.is_repeated else (value,):
                    yield from messages(part)

    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ArtifactUnsafe(place, "is not an ONNX model. Publish the version again.") from error
    if len(model.functions):
        raise ArtifactUnsafe(place, "brings functions of its own, which are refused. Export it again without them.")
    for message in messages(model):
        if isinstance(message, onnx.TensorProto) and (
            message.external_data or message.data_location != onnx.TensorProto.DEFAULT
        ):
            raise ArtifactUnsafe(place, "keeps data in another file, which is refused. Export it as a single file.")
        if isinstance(message, onnx.NodeProto) and message.domain not in _DOMAINS:
            raise ArtifactUnsafe(place, f"uses the operator {message.domain}.{message.op_type}, which is not of ONNX.")


def _order(classes: Sequence[str], labels: Sequence[str]) -> Order:
    """The index that brings columns in the order of `classes` into that of `labels`; None if they are in it."""
    order = [classes.index(label) for label in labels]
    if order == sorted(order):
        return None
    # A reversed view costs a tenth of a copy, and two labels are the usual case.
    return slice(None, None, -1) if order == sorted(order, reverse=True) else np.array(order)
