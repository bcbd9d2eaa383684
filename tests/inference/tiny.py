"""Endpoints and versions so small that a test can make as many as it likes: `flow` answers slope · (a + b)."""

import hashlib
import json
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper

from inference.engine import manifest as manifests
from inference.engine.manifest import Data, Environment, File, Manifest, Parity
from inference.engine.signature import Signature

UNOPENED = b"a version that ONNX answers never opens its joblib file"


def signature(names: str = "ab") -> Signature:
    """A regression on one float input a letter, from -100 to 100."""
    inputs = [{"name": name, "dtype": "float", "min": -100, "max": 100} for name in names]
    return Signature.from_dict({"inputs": inputs, "output": {"kind": "regression", "unit": "l/s"}})


def write_endpoint(
    artifacts: Path, folder: str = "flow", *, slug: str = "flow", champion: str | None = None, names: str = "ab"
) -> Path:
    """Write `endpoint.toml` and say its folder."""
    lines = [f'slug = "{slug}"', f'name = "{slug.title()}"', 'audit = "strict"']
    lines += [f'champion = "{champion}"'] if champion else []
    lines += ["[output]", 'kind = "regression"', 'unit = "l/s"']
    for name in names:
        lines += ["[[inputs]]", f'name = "{name}"', 'dtype = "float"', "min = -100", "max = 100"]
    place = artifacts / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "endpoint.toml").write_text("\n".join(lines))
    return place


def write_version(
    endpoint_folder: Path,
    algorithm: str = "line",
    number: str = "1.0.0",
    *,
    slug: str = "flow",
    slope: float = 1.0,
    names: str = "ab",
) -> Path:
    """Write a version that answers slope · (sum of the inputs), and say its folder."""
    rows = [[0.0] * len(names), [1.0] * len(names)]
    golden = {"rows": rows, "outputs": [{"value": 0}, {"value": slope * len(names)}]}
    files = {
        "model.onnx": _onnx(slope, len(names)),
        "model.joblib": UNOPENED,
        "golden.json": json.dumps(golden).encode(),
    }
    manifest = Manifest(
        format=manifests.FORMAT,
        endpoint=slug,
        algorithm=algorithm,
        version=number,
        signature=signature(names).to_dict(),
        files={name: File(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data)) for name, data in files.items()},
        code={"algorithm.py": "0" * 64},
        data={"rows.csv": Data(sha256="0" * 64, rows=2)},
        seed=0,
        params={"slope": slope},
        distributions=(),
        metrics={"r2": 0.5},
        environment=Environment(python="3.11", platform="", cpu="", blas="", threads=1, packages={}),
        runtime="onnx",
        parity=Parity(equal=True, rows=2, max_difference=0.0, label_ties=0, scale=1.0, reason=None),
        reference={},
    )
    folder = endpoint_folder / algorithm / number
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / manifests.NAME).write_bytes(manifests.written(manifest))
    return folder


def change_slope(folder: Path, slope: float) -> None:
    """Replace a version by one with the same tag and another model, as if someone had trained over it."""
    manifest = msgspec.json.decode((folder / manifests.NAME).read_bytes(), type=Manifest)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    names = "".join(one["name"] for one in manifest.signature["inputs"])
    write_version(
        folder.parent.parent, manifest.algorithm, manifest.version, slug=manifest.endpoint, slope=slope, names=names
    )


def digest_of(folder: Path) -> str:
    """The digest of a version's folder."""
    return manifests.digest_of((folder / manifests.NAME).read_bytes())


def _onnx(slope: float, inputs: int) -> bytes:
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [inputs, 1], np.full(inputs, slope, dtype=np.float32))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["features", "weights"], ["variable"])],
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, inputs])],
        [helper.make_tensor_value_info("variable", TensorProto.FLOAT, [None, 1])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)
