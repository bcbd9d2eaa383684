"""An algorithm as git holds it: `algorithm.py` with `build(params, seed)`, and `params.toml`."""

import re
import tomllib
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from inference.engine.manifest import sha256
from jobs.errors import AlgorithmInvalid

CODE = "algorithm.py"
PARAMS = "params.toml"
_KEYS = {"seed", "params", "distributions", "gate"}
_GATE = re.compile(rb"^\[gate\][ \t]*(?:#.*)?\r?$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """A way to answer an endpoint.

    `build(params, seed)` returns an unfitted scikit-learn pipeline. `distributions` are the installed distributions
    its pickle may name code of, besides scikit-learn, numpy, scipy and joblib. `code` has the sha256 of its files, and
    `gate` the table `[gate]` as written: it judges versions and makes none, so it is left out of the sum.
    """

    name: str
    folder: Path
    build: Callable[[Mapping[str, Any], int], Any]
    params: Mapping[str, Any]
    seed: int
    distributions: tuple[str, ...]
    code: Mapping[str, str]
    gate: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Params:
    """What `params.toml` says. `sha256` is of its text without the table `[gate]`."""

    seed: int
    params: Mapping[str, Any]
    distributions: tuple[str, ...]
    gate: Mapping[str, Any]
    sha256: str


def read(folder: Path) -> Algorithm:
    """Read an algorithm's folder and run its code, once.

    Raises:
        AlgorithmInvalid: a file is not there or can't be used.
    """
    place = f"{folder.parent.name}/{folder.name}"
    said = params(folder)
    code_bytes = _bytes(folder / CODE, place)
    _check_installed(said.distributions, f"{place}/{PARAMS}")
    build = getattr(run(code_bytes, folder / CODE), "build", None)
    if not callable(build):
        raise AlgorithmInvalid(f"{place}/{CODE}", "needs a function `build(params, seed)`.")
    return Algorithm(
        name=folder.name,
        folder=folder,
        build=build,
        params=said.params,
        seed=said.seed,
        distributions=said.distributions,
        code=_sums(folder, code_bytes, said),
        gate=said.gate,
    )


def sums(folder: Path) -> Mapping[str, str]:
    """The sha256 of an algorithm's files, by path, as a manifest has them. Runs no code.

    Raises:
        AlgorithmInvalid: a file is not there, or `params.toml` can't be used.
    """
    return _sums(folder, _bytes(folder / CODE, f"{folder.parent.name}/{folder.name}"), params(folder))


def _sums(folder: Path, code: bytes, said: "Params") -> dict[str, str]:
    return {f"{folder.name}/{CODE}": sha256(code), f"{folder.name}/{PARAMS}": said.sha256}


def params(folder: Path) -> Params:
    """Read an algorithm's `params.toml`, and run no code.

    Raises:
        AlgorithmInvalid: it is not there or can't be used.
    """
    place = f"{folder.parent.name}/{folder.name}/{PARAMS}"
    data = _bytes(folder / PARAMS, f"{folder.parent.name}/{folder.name}")
    said = _toml(data, place)
    if unknown := sorted(set(said) - _KEYS):
        raise AlgorithmInvalid(place, f"has no use for `{unknown[0]}`. It may have {sorted(_KEYS)}.")
    seed, table, gate = said.get("seed"), said.get("params", {}), said.get("gate", {})
    if type(seed) is not int or not 0 <= seed < 2**32 or not isinstance(table, dict):
        raise AlgorithmInvalid(place, "needs a `seed` (a whole number from 0) and a table `[params]`.")
    listed = said.get("distributions", [])
    if not isinstance(listed, list) or not all(isinstance(name, str) and name for name in listed):
        raise AlgorithmInvalid(place, '`distributions` is a list of names: distributions = ["name"].')
    return Params(
        seed=seed,
        params=table,
        distributions=tuple(listed),
        gate=gate,
        sha256=sha256(_without_gate(data, said, place)),
    )


def _check_installed(distributions: Iterable[str], place: str) -> None:
    for name in distributions:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError as error:
            raise AlgorithmInvalid(place, f"lists the distribution {name!r}, which is not installed here.") from error


def _without_gate(data: bytes, said: Mapping[str, Any], place: str) -> bytes:
    """The text that makes versions: as it would stand there without the table `[gate]` at its end."""
    if "gate" not in said:
        return data
    start = _GATE.search(data)
    rest = {name: value for name, value in said.items() if name != "gate"}
    # What is left out must be the table and nothing else, or a change of params would go unseen.
    if start is None or _toml(data[: start.start()], place) != rest:
        raise AlgorithmInvalid(place, "has a `gate` that is not the last table. Write `[gate]` at the file's end.")
    return data[: start.start()].rstrip() + b"\n"


def _toml(data: bytes, place: str) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AlgorithmInvalid(place, f"is not TOML: {error}.") from error


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
