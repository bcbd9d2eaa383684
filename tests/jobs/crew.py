"""Real Celery workers, as processes of their own, on the servers of the tests."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from jobs.models import Worker
from project.part import Part, end
from tests.project.children import until

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def worker(
    home: Path,
    dsn: str,
    *,
    name: str = "worker",
    queues: str = "online,batch",
    processes: int = 1,
    redis_url: str | None = None,
) -> Iterator[psutil.Process]:
    """A worker that is ready: its main process. It is ended in good order if it still lives.

    Args:
        home: its state folder, with the store and the uploads.
    """
    argv = (sys.executable, "-m", "celery", "-A", "project", "worker", "-n", f"{name}@test", "-Q", queues)
    part = Part(
        name=name,
        argv=(*argv, f"--concurrency={processes}", "--without-mingle", "--without-gossip"),
        log=home / f"{name}.log",
        env={
            **os.environ,
            "DATABASE_URL": dsn,
            "REDIS_URL": redis_url or os.environ["REDIS_URL"],
            "FORETELL_HOME": str(home),
        },
        cwd=ROOT,
        grace_s=30,
    )
    process = part.spawn()
    try:
        until(lambda: Worker.objects.filter(name=f"{name}@test").exists() or process.poll() is not None)
        assert process.poll() is None, part.log.read_text()
        yield psutil.Process(process.pid)
    finally:
        if process.poll() is None:
            end(process, part)
