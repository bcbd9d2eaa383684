"""The Dockerfile, read: its stages, what it copies, what it runs. And what .dockerignore lets through."""

import json
import re
import subprocess
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its continued lines joined: `COPY`, `project /app/project`."""

    name: str
    words: str


def stages() -> list[list[Instruction]]:
    """The instructions of each stage; each begins with its FROM."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    found: list[list[Instruction]] = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        name, _, words = line.strip().partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, " ".join(words.split())))
    return found


def environment(stage: list[Instruction]) -> dict[str, str]:
    """What its ENV instructions set."""
    pairs = (pair for one in stage if one.name == "ENV" for pair in one.words.split())
    return dict(pair.split("=", 1) for pair in pairs)


def exec_form(stage: list[Instruction], name: str) -> list[str]:
    """The words of its last CMD, or of the command of its HEALTHCHECK."""
    words = next(one.words for one in reversed(stage) if one.name == name)
    return json.loads(words[words.index("[") :])


def context() -> set[str]:
    """The files that git tracks and .dockerignore lets through, as paths from the root."""
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return {path for path in tracked if passes(path) and (ROOT / path).exists()}


def passes(path: str) -> bool:
    """Whether .dockerignore lets this path through: the last line that matches it, or a folder above it, decides."""
    parts = path.split("/")
    above = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    passed = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        if any(_matches(place, pattern) for place in above):
            passed = line.startswith("!")
    return passed


def _matches(path: str, pattern: str) -> bool:
    """`**/` stands for any depth; otherwise as many folders as the pattern has."""
    if pattern.startswith("**/"):
        return fnmatch(path.rpartition("/")[2], pattern.removeprefix("**/"))
    return path.count("/") == pattern.count("/") and fnmatch(path, pattern)
