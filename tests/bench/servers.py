"""The reference servers, as children of the bench: started, waited for, ended."""

import hashlib
import os
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.readings import ROOT, SHUTTLE
from tests.ports import free_port

FASTAPI = Path(__file__).with_name("fastapi_server")


@contextmanager
def uvicorn(
    python: Path, application: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[int, int]]:
    """Serve an ASGI application with the settings Foretell's own server has; gives its port and pid."""
    port = free_port()
    options = "--ws websockets-sansio --ws-per-message-deflate false --log-level warning --no-access-log"
    command = [python, "-m", "uvicorn", application, "--port", port, "--loop", "uvloop", "--http", "httptools"]
    child = subprocess.Popen(
        [str(part) for part in command] + options.split(), cwd=folder, env=os.environ | (environment or {})
    )
    try:
        wait_for_port(port, child)
        yield port, child.pid
    finally:
        child.terminate()
        child.wait()


@contextmanager
def bare() -> Iterator[tuple[int, int]]:
    """The bare ASGI application of `bare.py`, in this environment; gives its port and pid."""
    with uvicorn(Path(sys.executable), "tests.bench.bare:app", ROOT) as address:
        yield address


@contextmanager
def fastapi(home: Path) -> Iterator[tuple[int, int]]:
    """FastAPI + scikit-learn on the committed forest, in its own environment; gives its port and pid."""
    model = {"MODEL": str(SHUTTLE / "random_forest" / "1.0.0" / "model.joblib")}
    with uvicorn(_environment(home), "app:app", FASTAPI, model) as address:
        yield address


def _environment(home: Path) -> Path:
    """The Python of the pinned environment, made under the state folder the first time these pins are seen."""
    pins = FASTAPI / "requirements.txt"
    folder = home / "bench" / f"fastapi-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"Making the environment of the FastAPI reference in {folder} (about half a minute) ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", pins], check=True)
        (folder / "complete").touch()
    return python


def wait_for_port(port: int, child: subprocess.Popen[bytes], timeout_s: float = 30) -> None:
    """Return when something listens.

    Raises:
        RuntimeError: the child ended first, or nothing listened in time.
    """
    until = time.monotonic() + timeout_s
    while time.monotonic() < until and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"Nothing listens on port {port}: {child.args}")
