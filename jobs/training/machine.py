"""The machine and libraries a version is trained with, as its manifest records them."""

import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import threadpoolctl

from inference.engine.manifest import Environment

PACKAGES = ("joblib", "numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "scipy", "skl2onnx")
THREADS = 1
"""Training uses one thread: sums in another order give other bits."""


def described(distributions: Iterable[str] = ()) -> Environment:
    """This machine, without anything that changes between two runs on it.

    Args:
        distributions: further installed distributions whose versions matter.
    """
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()}-{platform.machine()}-{'-'.join(filter(None, platform.libc_ver()))}".lower(),
        cpu=_cpu(),
        blas=_blas(),
        threads=THREADS,
        packages={name: metadata.version(name) for name in sorted({*PACKAGES, *distributions})},
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def _blas() -> str:
    found = {
        f"{one['internal_api']} {one['version']} {one.get('architecture', '')}".strip()
        for one in threadpoolctl.threadpool_info()
        if one["user_api"] == "blas"
    }
    return ", ".join(sorted(found)) or "unknown"
