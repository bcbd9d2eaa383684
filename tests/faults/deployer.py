"""Makes versions live through Foretell's own service, in a process of its own that stays: `deploy` takes milliseconds.

Run as a program it reads tags from stdin, one a line, and repeats each when it is live in the database.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.faults.stack import ENDPOINT, Stack


class Deployer:
    """The process, as a context."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._log = Path(stack.home / "logs" / "deployer.log")

    def __enter__(self) -> "Deployer":
        self._error = self._log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.deployer"],
            cwd=self._stack.tree,
            env={**os.environ, **self._stack.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._error,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._error.close()

    def deploy(self, tag: str) -> None:
        """Make a version the champion; returns when the database says so.

        Raises:
            AssertionError: it could not be done.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(tag + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == tag, self._log.read_text()[-3000:]


def main() -> None:
    """Deploy what stdin names."""
    import django

    django.setup()

    from inference.models import Endpoint
    from inference.services.deployments import version_deploy

    endpoint = Endpoint.objects.get(slug=ENDPOINT)
    for line in sys.stdin:
        tag = line.strip()
        version = next(version for version in endpoint.versions.all() if version.tag == tag)
        version_deploy(endpoint=endpoint, version=version, actor="fault kit", reason="A fault test.")
        sys.stdout.write(tag + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
