"""Lines to paste that ask an endpoint: for a shell, for Python and for JavaScript."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PLACEHOLDER = "ft_YOUR_CREDENTIAL"

_CURL = """\
curl {scheme}://{host}/api/v1/endpoints/{slug}/predict \\
  -H 'Authorization: Bearer {token}' \\
  -H 'Content-Type: application/json' \\
  -d '{body}'
"""
_PYTHON = """\
# pip install websockets
import json
from websockets.sync.client import connect

reading = {reading}

with connect(
    "{ws}://{host}/ws/v1/endpoints/{slug}/stream",
    additional_headers={{"Authorization": "Bearer {token}"}},
) as socket:
    print(socket.recv())  # hello: what is asked and answered
    socket.send(json.dumps({{"features": reading}}))
    print(socket.recv())  # the prediction, stored
"""
_JAVASCRIPT = """\
// In a page of this server, or in Node 22 and later.
const socket = new WebSocket(
  "{ws}://{host}/ws/v1/endpoints/{slug}/stream",
  ["foretell.v1.json", "foretell.bearer.{token}"],
);
socket.onmessage = (message) => console.log(JSON.parse(message.data));
socket.onclose = (event) => console.log("closed", event.code, event.reason);
socket.onopen = () => socket.send(JSON.stringify({{ features: {reading} }}));
"""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A few lines of a language, ready to paste."""

    id: str
    title: str
    text: str


def snippets(slug: str, features: Mapping[str, Any], *, host: str, secure: bool) -> list[Snippet]:
    """The lines for an endpoint.

    Args:
        features: a reading it takes.
        host: where the caller found this server, with its port.
        secure: whether they came by https.
    """
    said = {
        "scheme": "https" if secure else "http",
        "ws": "wss" if secure else "ws",
        "host": host,
        "slug": slug,
        "token": PLACEHOLDER,
        "reading": json.dumps(features),
        # A quote inside the shell's quotes ends them.
        "body": json.dumps({"features": features}).replace("'", "\\u0027"),
    }
    return [
        Snippet("curl", "curl, over REST", _CURL.format(**said)),
        Snippet("python", "Python, over a WebSocket", _PYTHON.format(**said)),
        Snippet("javascript", "JavaScript, over a WebSocket", _JAVASCRIPT.format(**said)),
    ]
