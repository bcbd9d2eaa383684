"""The image without Docker: the Dockerfile's steps, carried out in an empty folder, and its roles run there.

A path of the image, as /opt/venv, becomes one below the folder. The roles run as an unprivileged user, and see only
what the image and docker-compose.yml put into their environment.
"""

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from project.part import Account, Part, end
from tests.containers import dockerfile

_PLACES = re.compile(r"(?<![\w./-])/(opt/venv|var/lib/foretell|app|requirements\.txt|tmp)\b")
OTHERS = "/usr/local/bin:/usr/bin:/bin"


def interpreter(account: Account | None) -> str | None:
    """A Python that this account may run and that Foretell runs on; None if there is none."""
    identity = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    named = (shutil.which(name) for name in ("python3.13", "python3.12", "python3.11", "python3"))
    beside = (f"/usr/bin/{name}" for name in ("python3.13", "python3.12", "python3.11", "python3"))
    for program in (getattr(sys, "_base_executable", None), *named, *beside):
        with suppress(OSError):
            code = "import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))"
            if program and subprocess.run([program, "-c", code], stderr=subprocess.DEVNULL, **identity).returncode == 0:
                return program
    return None


@dataclass(slots=True)
class Image:
    """What a build makes, below `folder`.

    Attributes:
        python: in the place of the one that the base image has.
        account: whom the roles run as; None where this process is nobody special itself.
        given: replaces what docker-compose.yml says to all roles, as where the servers are.
    """

    folder: Path
    python: str
    account: Account | None
    given: dict[str, str] = field(default_factory=dict)

    def build(self) -> None:
        """Carry out the Dockerfile, except that the system's own Python stays as it is."""
        *_, packages, image = dockerfile.stages()
        for stage in (packages, image):
            where = self.folder
            for step in stage:
                if step.name == "WORKDIR":
                    where = self.place(step.words)
                elif step.name == "COPY" and not step.words.startswith("--from"):
                    self._copy(*step.words.split())
                elif step.name == "RUN" and "pip uninstall" not in step.words:
                    self._run(step.words, where, dockerfile.environment(stage))
        self.place("/tmp").mkdir()
        if self.account is not None:
            for owned in ("/tmp", *(f"/var/lib/foretell/{name}" for name in ("store", "uploads", "tmp"))):
                os.chown(self.place(owned), self.account.uid, self.account.gid)

    def place(self, path: str) -> Path:
        """Where a path of the image is."""
        return self.folder / path.lstrip("/")

    def environment(self, service: dict[str, Any], **own: str) -> dict[str, str]:
        """What a role of docker-compose.yml sees; `own` comes last."""
        *_, stage = dockerfile.stages()
        said = {name: self._placed(value) for name, value in dockerfile.environment(stage).items()}
        said["PATH"] = f"{self.place('/opt/venv/bin')}:{OTHERS}"
        said["TMPDIR"] = str(self.place("/tmp"))
        return said | service.get("environment", {}) | self.given | own

    def start(self, name: str, service: dict[str, Any], **own: str) -> "Role":
        """Start what docker-compose.yml says that this service runs."""
        environment = self.environment(service, **own)
        program = shutil.which(service["command"][0], path=environment["PATH"])
        assert program is not None
        words = (f"{name}={value}" for name, value in environment.items())
        part = Part(
            name=name,
            argv=("/usr/bin/env", "-i", *words, program, *service["command"][1:]),
            log=self.folder.parent / "logs" / f"{name}.log",
            cwd=self.place("/app"),
            grace_s=30,
            account=self.account,
        )
        return Role(part, part.spawn())

    def run(self, service: dict[str, Any], *words: str, **own: str) -> subprocess.CompletedProcess[str]:
        """Run another command in a container of this service, as `docker compose run` would."""
        environment = self.environment(service, **own)
        identity = {"user": self.account.uid, "group": self.account.gid, "extra_groups": []} if self.account else {}
        return subprocess.run(
            words,
            cwd=self.place("/app"),
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            **identity,
        )

    def _copy(self, *words: str) -> None:
        """COPY a file or a folder of the context."""
        source, target = words
        for path in dockerfile.context():
            if path == source or path.startswith(f"{source}/"):
                into = f"{target}/{path}" if target.endswith("/") else path.replace(source, target, 1)
                place = self.place(into)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(dockerfile.ROOT / path, place)

    def _run(self, words: str, where: Path, environment: dict[str, str]) -> None:
        """RUN a line in a shell; before there is a venv, with the pip of the tests."""
        said = {name: self._placed(value) for name, value in environment.items()}
        first = [str(self.place("/opt/venv/bin"))] if environment else []
        path = ":".join([*first, str(Path(sys.executable).parent), os.environ["PATH"]])
        owner = f"-o {os.geteuid()} -g {os.getegid()}"
        line = (
            self._placed(words).replace("-o 10001 -g 10001", owner).replace("python -m venv", f"{self.python} -m venv")
        )
        done = subprocess.run(
            ["sh", "-euc", line],
            cwd=where,
            # As a builder has it: how pip finds its index, and nothing of Foretell's.
            env={name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "LANG"))}
            | said
            | {"PATH": path, "HOME": str(self.folder.parent)},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"

    def _placed(self, text: str) -> str:
        return _PLACES.sub(lambda found: str(self.place(found[0])), text)


@dataclass(frozen=True, slots=True)
class Role:
    """A running role."""

    part: Part
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self.part.log.read_text(errors="replace")

    def end(self) -> int:
        """End it as `docker stop` does; its exit code."""
        return end(self.process, self.part)
