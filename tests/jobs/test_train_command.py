"""`manage.py train`."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests import boilers


def said(*words: str, artifacts: Path) -> str:
    """What the command writes."""
    out = io.StringIO()
    call_command("train", *words, "--artifacts", str(artifacts), stdout=out)
    return out.getvalue()


def test_it_trains_everything_when_told_nothing(tmp_path: Path) -> None:
    boilers.write(tmp_path)
    text = said(artifacts=tmp_path)

    assert text.startswith("boiler-service plain-1.0.0")
    assert "written to boilers/plain/1.0.0" in text
    assert "the same as boilers/plain/1.0.0" in said(artifacts=tmp_path)


@pytest.mark.parametrize("endpoint", ["boilers", "boiler-service"])
def test_it_takes_a_slug_or_a_folder_an_algorithm_and_a_version(tmp_path: Path, endpoint: str) -> None:
    folder = boilers.write(tmp_path)
    said(endpoint, "plain", "--version", "1.4.0", artifacts=tmp_path)

    assert (folder / "plain" / "1.4.0" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("kettles",), "There is no endpoint 'kettles'"),
        (("boilers", "fancy"), "has no algorithm 'fancy'"),
        (("boilers", "plain", "--version", "1.0.7"), "version_exists: boilers/plain"),
    ],
)
def test_it_says_what_it_can_not_do(tmp_path: Path, words: tuple[str, ...], refusal: str) -> None:
    boilers.write(tmp_path)

    with pytest.raises(CommandError, match=refusal):
        said(*words, artifacts=tmp_path)
