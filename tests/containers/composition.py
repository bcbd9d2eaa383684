"""docker-compose.yml, as Debian's docker-compose resolves it."""

import os
import shutil
import subprocess
import tempfile
from functools import cache
from typing import Any

import pytest
import yaml

from tests.containers.dockerfile import ROOT

SECRETS = {
    "POSTGRES_PASSWORD": "0123456789abcdef0123456789abcdef",
    "WEB_POSTGRES_PASSWORD": "00112233445566778899aabbccddeeff",
    "VALKEY_PASSWORD": "fedcba9876543210fedcba9876543210",
    "SECRET_KEY": "K3y-of-a-test_0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF",
    "ADMIN_PASSWORD": "correct horse battery",
}
ROLES = ("web", "worker", "trainer", "beat", "release")


def resolved(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`docker-compose config` with these variables and no others."""
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed (Debian and Ubuntu: apt-get install docker-compose)")
    # An empty file in place of `.env`, which may stand in a checkout.
    with tempfile.NamedTemporaryFile() as nothing:
        return subprocess.run(
            [program, "--env-file", nothing.name, "config"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]} | variables,
            capture_output=True,
            text=True,
            timeout=60,
        )


@cache
def services(**variables: str) -> dict[str, dict[str, Any]]:
    """The services, with every variable filled in."""
    done = resolved(SECRETS | variables)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)["services"]
