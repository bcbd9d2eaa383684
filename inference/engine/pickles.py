"""The only place that opens a pickle, and the list of what a pickle may name.

A pickle is a program. Ours may only name classes and functions of scikit-learn, numpy, scipy, joblib, and of the
distributions that the algorithm's `params.toml` lists. This is the second wall: the first is that the bytes' sha256
stands in a manifest whose digest is known (see `loader`).

A model is one plain pickle, protocol 5, which `joblib.load` reads as well as its own format. joblib's own format nests
further pickles inside object arrays, out of reach of the check below.
"""

import importlib.metadata
import io
import pickle
import types
from collections.abc import Iterable
from typing import Any

from inference.engine.errors import ArtifactUnsafe

PROTOCOL = 5
PACKAGES = frozenset({"sklearn", "numpy", "scipy", "joblib"})

_PLAIN = frozenset(
    {
        ("builtins", "bytearray"),
        ("builtins", "complex"),
        ("builtins", "frozenset"),
        ("builtins", "object"),
        ("builtins", "range"),
        ("builtins", "set"),
        ("builtins", "slice"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("copyreg", "_reconstructor"),
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "timedelta"),
    }
)
"""What the standard library may contribute: values, nothing that acts."""
_REFUSED_ROOTS = ("numpy.testing", "numpy.f2py", "numpy.ctypeslib", "joblib.externals", "joblib.test")
"""Parts of allowed packages that run text or files they are given."""


def dumps(estimator: object) -> bytes:
    """The pickle of a fitted estimator.

    Raises:
        ArtifactUnsafe: it holds something that can't be pickled, such as a function of the algorithm's own file.
    """
    try:
        return pickle.dumps(estimator, protocol=PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ArtifactUnsafe(
            "model.joblib",
            f"the model can't be pickled: {error}. Classes and functions of its own must come from an installed "
            "distribution that params.toml lists.",
        ) from error


def loads(data: bytes, *, distributions: Iterable[str] = (), place: str = "model.joblib") -> Any:
    """The estimator of a pickle whose bytes were verified before.

    Args:
        data: the pickle.
        distributions: installed distributions, besides scikit-learn, numpy, scipy and joblib, it may name code of.
        place: what errors call it.

    Raises:
        ArtifactUnsafe: it names other code, or can't be read.
        Warning: one that the caller has turned into an error.
    """
    unpickler = _Unpickler(data, allowed_packages(distributions), place)
    try:
        return unpickler.load()
    except (ArtifactUnsafe, Warning):
        raise
    except Exception as error:
        raise ArtifactUnsafe(place, f"can't be read: {error}. Train and publish the version again.") from error


def allowed_packages(distributions: Iterable[str]) -> frozenset[str]:
    """The top-level packages a pickle may name, `distributions` translated into the packages they install."""
    wanted = {_normal(name) for name in distributions}
    if not wanted:
        return PACKAGES
    installed = importlib.metadata.packages_distributions()
    return PACKAGES | {package for package, names in installed.items() if wanted & {_normal(name) for name in names}}


class _Unpickler(pickle.Unpickler):
    """Finds only what the list allows."""

    def __init__(self, data: bytes, packages: frozenset[str], place: str) -> None:
        super().__init__(io.BytesIO(data))
        self._packages = packages
        self._place = place

    def find_class(self, module: str, name: str) -> Any:
        """The object a pickle names, if it may name it."""
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if not self._may_name(module):
            raise self._refusal(module, name)
        found = super().find_class(module, name)
        # A module also holds what it imported: `joblib.parallel` has `os` in it, and a dotted name walks through it.
        home = getattr(found, "__module__", None) or module
        if isinstance(found, types.ModuleType) or not self._may_name(home):
            raise self._refusal(module, name)
        return found

    def _may_name(self, module: str) -> bool:
        return module.partition(".")[0] in self._packages and not module.startswith(_REFUSED_ROOTS)

    def _refusal(self, module: str, name: str) -> ArtifactUnsafe:
        return ArtifactUnsafe(
            self._place,
            f"names `{module}.{name}`, which is not of {', '.join(sorted(self._packages))}. If the model needs it, "
            "list its distribution in params.toml (`distributions = [...]`) and train again.",
        )


def _normal(distribution: str) -> str:
    return distribution.lower().replace("_", "-").replace(".", "-")
