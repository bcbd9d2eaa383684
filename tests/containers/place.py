"""The image's roles behind a real Caddy, as a browser, a program and a device see them."""

import asyncio
import json
import re
import ssl
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from project.embedded import EmbeddedPostgres
from tests.containers import dockerfile
from tests.containers.composition import SECRETS
from tests.containers.image import Image, Role

ENDPOINT = "shuttle-fault"
READING = [50, 21, 77, 0, 28, 0, 27, 48, 22]
WEBS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")


@dataclass
class Place:
    """All of it, running.

    Attributes:
        port: Caddy's, for https.
        plain_port: Caddy's, for http.
        token: a device's credential.
    """

    image: Image
    services: dict[str, dict[str, Any]]
    postgres: EmbeddedPostgres
    port: int
    plain_port: int
    web_port: int
    trust: ssl.SSLContext
    webs: dict[str, Role]
    others: dict[str, Role]
    token: str

    @property
    def https(self) -> str:
        return f"https://localhost:{self.port}"

    def predict(self) -> httpx.Response:
        """One prediction over REST, through Caddy."""
        return httpx.post(
            f"{self.https}/api/v1/endpoints/{ENDPOINT}/predict",
            headers={"Authorization": f"Bearer {self.token}"},
            json={"instances": [READING]},
            verify=self.trust,
            timeout=20,
        )

    def browser(self) -> httpx.Client:
        """A browser that trusts Caddy's certificate."""
        return httpx.Client(base_url=self.https, verify=self.trust, follow_redirects=True, timeout=20)

    def stream(self) -> connect:
        """A WebSocket of a device, through Caddy."""
        return connect(
            f"wss://localhost:{self.port}/ws/v1/endpoints/{ENDPOINT}/stream?hello=short",
            additional_headers={"Authorization": f"Bearer {self.token}"},
            ssl=self.trust,
            open_timeout=20,
        )

    def sockets_of(self, address: str) -> int:
        """How many connections the web process at this address holds."""
        process = psutil.Process(self.webs[address].process.pid)
        connections = process.net_connections(kind="tcp")
        return sum(one.status == psutil.CONN_ESTABLISHED and one.laddr[1] == self.web_port for one in connections)


def healthy(place: Place, role: str, **own: str) -> bool:
    """What the role's health check says: the image's, or the one that docker-compose.yml has in its place."""
    *_, stage = dockerfile.stages()
    said = place.services[role].get("healthcheck")
    words = said["test"][1:] if said else dockerfile.exec_form(stage, "HEALTHCHECK")
    return place.image.run(place.services[role], *words, **own).returncode == 0


def sign_in(place: Place, browser: httpx.Client) -> httpx.Response:
    """Log the admin in; the page that comes then."""
    page = browser.get("/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text).group(1)
    form = {"username": "admin", "password": SECRETS["ADMIN_PASSWORD"], "csrfmiddlewaretoken": token}
    # Django compares the origin with the address that it believes to be its own.
    answer = browser.post(page.url, data=form, headers={"Origin": place.https, "Referer": f"{place.https}/"})
    assert "logout" in answer.text
    return answer


async def answered(stream: ClientConnection) -> bool:
    """Whether a reading on this socket is predicted and stored."""
    await stream.send(json.dumps({"features": READING}))
    message = json.loads(await asyncio.wait_for(stream.recv(), 20))
    return message["type"] == "prediction" and message["stored"]


async def survives(stream: ClientConnection) -> bool:
    """Whether the process behind this socket still answers."""
    try:
        return await answered(stream)
    except ConnectionClosed:
        return False
