"""An algorithm as git holds it: `algorithm.py` with `build(params, seed)`, and `params.toml`."""

import tomllib
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.engine.manifest import sha256
from jobs.errors import AlgorithmInvalid

CODE = "algorithm.py"
PARAMS = "params.toml"
_KEYS = {"seed", "params", "distributions"}


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """A way to answer an endpoint.

    `build(params, seed)` returns an unfitted scikit-learn pipeline. `distributions` are the installed distributions
    its pickle may name code of, besides scikit-learn, numpy, scipy and joblib. `code` has the sha256 of its files.
    """

    name: str
    folder: Path
    build: Callable[[Mapping[str, Any], int], Any]
    params: Mapping[str, Any]
    seed: int
    distributions: tuple[str, ...]
    code: Mapping[str, str]


def read(folder: Path) -> Algorithm:
    """Read an algorithm's folder and run its code, once.

    Raises:
        AlgorithmInvalid: a file is not there or can't be used.
    """
    place = f"{folder.parent.name}/{folder.name}"
    params_bytes = _bytes(folder / PARAMS, place)
    try:
        said = tomllib.loads(params_bytes.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AlgorithmInvalid(f"{place}/{PARAMS}", f"is not TOML: {error}.") from error
    if unknown := sorted(set(said) - _KEYS):
        raise AlgorithmInvalid(f"{place}/{PARAMS}", f"has no use for `{unknown[0]}`. It may have {sorted(_KEYS)}.")
    seed, params = said.get("seed"), said.get("params", {})
    if type(seed) is not int or not 0 <= seed < 2**32 or not isinstance(params, dict):
        raise AlgorithmInvalid(f"{place}/{PARAMS}", "needs a `seed` (a whole number from 0) and a table `[params]`.")
    code_bytes = _bytes(folder / CODE, place)
    build = getattr(run(code_bytes, folder / CODE), "build", None)
    if not callable(build):
        raise AlgorithmInvalid(f"{place}/{CODE}", "needs a function `build(params, seed)`.")
    return Algorithm(
        name=folder.name,
        folder=folder,
        build=build,
        params=params,
        seed=seed,
        distributions=tuple(said.get("distributions", ())),
        code={f"{folder.name}/{CODE}": sha256(code_bytes), f"{folder.name}/{PARAMS}": sha256(params_bytes)},
    )


def found(endpoint: Path) -> list[Path]:
    """The algorithm folders of an endpoint's folder, sorted by name."""
    return sorted(path.parent for path in endpoint.glob(f"*/{CODE}"))


def run(code: bytes, path: Path) -> types.ModuleType:
    """The module that a file's bytes make: not on the import path, not in `sys.modules`, no `__pycache__` left.

    Raises:
        AlgorithmInvalid: the code raises.
    """
    module = types.ModuleType(f"foretell_artifact_{sha256(str(path).encode())[:12]}")
    module.__file__ = str(path)
    try:
        exec(compile(code, str(path), "exec"), module.__dict__)
    except Exception as error:
        place = "/".join(path.parts[-3:])
        raise AlgorithmInvalid(place, f"can't be run: {type(error).__name__}: {error}.") from error
    return module


def _bytes(path: Path, place: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AlgorithmInvalid(f"{place}/{path.name}", f"can't be read ({error.strerror}).") from error
