"""`docs/add-your-own-model.md`, followed to the letter in a copy of the repository."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "add-your-own-model.md"
PACKAGES = ("project", "inference", "streaming", "jobs")


@dataclass(frozen=True)
class Block:
    """A code block: its language, what else stands on its first line, and its text."""

    language: str
    said: str
    text: str


BLOCKS = [Block(*found) for found in re.findall(r"^```(\w+) ?(.*?)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The code without its artifacts, and the environment the page speaks of."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@pytest.mark.usefixtures("clean_tables")
def test_the_page_works_as_it_stands(copy: Path, dsn: str) -> None:
    environment = {**os.environ, "DATABASE_URL": dsn, "FORETELL_HOME": str(copy / "var")}
    said = ""
    for block in BLOCKS:
        if "title=" in block.said:
            path = copy / block.said.partition("title=")[2]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "bash" and "needs=server" not in block.said:
            ran = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                cwd=copy,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert ran.returncode == 0, f"{block.text}{ran.stdout}{ran.stderr}"
            said += ran.stdout

    assert "ONNX equal on" in said
    assert "written to boiler_service/logistic/1.0.0" in said
    shown = next(block.text for block in BLOCKS if block.language == "text")
    assert set(_without_numbers(shown)) <= set(_without_numbers(said))
    first, second = re.findall(r'^\{"label":"(\w+)"', said, re.M)
    assert (first, second) == ("due", "well")
    assert "boiler-service" in said.partition("logistic/1.0.0")[2]
    assert (copy / "boiler.key").read_text().startswith("ft_")


def _without_numbers(text: str) -> list[str]:
    return [re.sub(r"sha256:\S+|\d[\d.,e-]*", "#", line) for line in text.splitlines()]
