"""The image, built and running: web, worker and beat on real servers, behind a real Caddy."""

import os
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from project.embedded import EmbeddedPostgres, EmbeddedValkey
from project.part import Account, Part, end
from tests.containers import composition, dockerfile, nameserver
from tests.containers.composition import ROLES
from tests.containers.image import Image, interpreter
from tests.containers.place import ENDPOINT, WEBS, Place, healthy
from tests.ports import free_port
from tests.project.children import until


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where all of it lies."""
    made = Path(tempfile.mkdtemp(prefix="ft-"))
    made.chmod(0o711)  # run as root, the servers and the roles run as `nobody`
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def caddy_program() -> str:
    """Debian's Caddy."""
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("caddy is not installed (Debian and Ubuntu: apt-get install caddy)")
    return program


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """The composition's, to be changed."""
    return deepcopy(composition.services())


@pytest.fixture(scope="module")
def image(folder: Path, caddy_program: str, services: dict[str, dict[str, Any]]) -> Image:
    """Built."""
    account = Account.named("nobody") if os.geteuid() == 0 else None
    python = interpreter(account)
    if python is None:
        pytest.skip(f"no Python from 3.11 to 3.13 that `{account.name if account else 'this user'}` may run")
    built = Image(folder / "image", python, account)
    built.folder.mkdir()
    built.build()
    return built


def _with_servers(
    stack: ExitStack, folder: Path, services: dict[str, dict[str, Any]], image: Image
) -> EmbeddedPostgres:
    """Postgres and Valkey, which the roles find in place of the composition's."""
    postgres, valkey = EmbeddedPostgres(folder / "servers"), EmbeddedValkey(folder / "servers")
    for server in (postgres, valkey):
        server.start()
        stack.callback(server.stop)
    for role in ROLES:
        for name in services[role]["environment"].keys() & {"DATABASE_URL", "WEB_DATABASE_URL"}:
            login = services[role]["environment"][name].partition("@")[0].replace("//foretell:", "//postgres:")
            services[role]["environment"][name] = f"{login}@{postgres.url.partition('@')[2]}"
    image.given = {"REDIS_URL": valkey.url, "TRUSTED_PROXIES": "127.0.0.1"}
    return postgres


def _behind_caddy(stack: ExitStack, folder: Path, program: str, web_port: int) -> tuple[int, int, ssl.SSLContext]:
    """Caddy before the web processes: its ports for https and for http, and what trusts its certificate."""
    port, plain_port = free_port(), free_port()
    dns = stack.enter_context(nameserver.knowing("web", list(WEBS)))
    caddy = Part(
        name="caddy",
        argv=(program, "run", "--config", str(dockerfile.ROOT / "Caddyfile"), "--adapter", "caddyfile"),
        log=folder / "logs" / "caddy.log",
        env={"HTTP_PORT": str(plain_port), "HTTPS_PORT": str(port)}
        | {"DOMAIN": "localhost", "WEB_PORT": str(web_port), "WEB_DNS": dns}
        | {name: str(folder / "caddy") for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")},
    )
    stack.callback(end, caddy.spawn(), caddy)
    authority = folder / "caddy" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    until(authority.exists)
    return port, plain_port, ssl.create_default_context(cafile=str(authority))


@pytest.fixture(scope="module")
def place(folder: Path, caddy_program: str, services: dict[str, dict[str, Any]], image: Image) -> Iterator[Place]:
    """All of it, ready to serve."""
    with ExitStack() as stack:
        postgres = _with_servers(stack, folder, services, image)
        released = image.start("release", services["release"])
        assert released.process.wait(120) == 0, released.log
        created = image.run(services["web"], "python", "manage.py", "device", "create", "probe", "--endpoint", ENDPOINT)
        assert created.returncode == 0, created.stderr

        web_port = free_port()
        webs = {one: image.start(f"web-{one}", services["web"], HOST=one, PORT=str(web_port)) for one in WEBS}
        others = {
            name: image.start(name, services[name], PULSE_FILE=str(image.place(f"/tmp/{name}")))
            for name in ("worker", "beat")
        }
        for role in (*webs.values(), *others.values()):
            stack.callback(role.end)
        port, plain_port, trust = _behind_caddy(stack, folder, caddy_program, web_port)
        place = Place(
            image=image,
            services=services,
            postgres=postgres,
            port=port,
            plain_port=plain_port,
            web_port=web_port,
            trust=trust,
            webs=webs,
            others=others,
            token=created.stdout.splitlines()[-1],
        )
        for address in WEBS:
            until(lambda address=address: healthy(place, "web", HOST=address, PORT=str(web_port)), 60)
        yield place
