"""Commands as a person runs them, on settings that point at a folder of the test."""

import pytest

from tests.inference import tiny


@pytest.fixture
def artifacts(tmp_path, settings, db):
    """`flow` with `line-1.0.0` as the repository's artifacts/, and an empty store."""
    tiny.write_version(tiny.write_endpoint(tmp_path / "artifacts"))
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"
    settings.STORE_DIR = tmp_path / "store"
    return settings.ARTIFACTS_DIR


@pytest.fixture
def run(artifacts, capsys):
    """Run a command and say the lines of its stdout."""
    from django.core.management import call_command

    def run(*words: str) -> list[str]:
        call_command(*words)
        return capsys.readouterr().out.splitlines()

    return run
