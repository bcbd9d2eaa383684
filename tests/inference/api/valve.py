"""An endpoint with every kind of input, and a model that raises on some: `valve` answers `count`, up to 499."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from inference.engine import manifest as manifests
from inference.engine.manifest import Data, Environment, File, Manifest, Parity
from inference.engine.signature import Signature

SIGNATURE = Signature.from_dict(
    {
        "inputs": [
            {"name": "temp", "dtype": "float", "unit": "C", "min": -40, "max": 125},
            {"name": "load", "dtype": "float", "nullable": True, "min": 0, "max": 10, "out_of_range": "warn"},
            {"name": "mass", "dtype": "float"},
            {"name": "count", "dtype": "int", "min": 0, "max": 100000},
            {"name": "serial", "dtype": "int64"},
            {"name": "site", "dtype": "string", "categories": ["north", "south"]},
            {"name": "note", "dtype": "string", "nullable": True},
        ],
        "output": {"kind": "regression", "unit": "l/s"},
    }
)
GOOD = {"temp": 20.5, "load": 5, "mass": 1, "count": 7, "serial": 2**53 + 1, "site": "north", "note": "a:b"}
TABLE = 500
"""The model looks `count` up in a table of this many rows; beyond it ONNX Runtime raises."""


def write(artifacts: Path) -> None:
    """Write `valve` with one version, and `idle` with none."""
    for slug in ("valve", "idle"):
        folder = artifacts / slug
        folder.mkdir(parents=True)
        (folder / "endpoint.toml").write_text(_toml(slug))
    folder = artifacts / "valve" / "table" / "1.0.0"
    folder.mkdir(parents=True)
    rows = [list(GOOD.values()), [0, None, 0, 0, 0, "south", None]]
    files = {
        "model.onnx": _onnx(),
        "model.joblib": b"never opened: ONNX answers",
        "golden.json": json.dumps({"rows": rows, "outputs": [{"value": 7}, {"value": 0}]}).encode(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    manifest = Manifest(
        format=manifests.FORMAT,
        endpoint="valve",
        algorithm="table",
        version="1.0.0",
        signature=SIGNATURE.to_dict(),
        files={name: File(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data)) for name, data in files.items()},
        code={"algorithm.py": "0" * 64},
        data={"rows.csv": Data(sha256="0" * 64, rows=2)},
        seed=0,
        params={},
        distributions=(),
        metrics={"r2": 1.0},
        environment=Environment(python="3.11", platform="", cpu="", blas="", threads=1, packages={}),
        runtime="onnx",
        parity=Parity(equal=True, rows=2, max_difference=0.0, label_ties=0, scale=1.0, reason=None),
        reference={},
    )
    (folder / manifests.NAME).write_bytes(manifests.written(manifest))


def _toml(slug: str) -> str:
    lines = [f'slug = "{slug}"', f'name = "{slug.title()}"']
    for table, said in [("[[inputs]]", one) for one in SIGNATURE.to_dict()["inputs"]] + [
        ("[output]", SIGNATURE.output.to_dict())
    ]:
        lines += [table, *(f"{key} = {json.dumps(value)}" for key, value in said.items())]
    return "\n".join(lines)


def _onnx() -> bytes:
    kinds = {"string": TensorProto.STRING, "int64": TensorProto.INT64}
    table = helper.make_tensor("table", TensorProto.FLOAT, [TABLE], np.arange(TABLE, dtype=np.float32))
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["count"], ["index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "index"], ["variable"]),
        ],
        "valve",
        [
            helper.make_tensor_value_info(one.name, kinds.get(one.dtype, TensorProto.FLOAT), [None, 1])
            for one in SIGNATURE.inputs
        ],
        [helper.make_tensor_value_info("variable", TensorProto.FLOAT, [None, 1])],
        [table],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)
