"""The bare ASGI application the stages are compared with: WebSockets echo, a POST gets fixed JSON.

It does what any application on this server must do and nothing else, so a ratio to it says what Foretell adds.
"""

from typing import Any

# As long as a prediction over REST.
ANSWER = (
    b'{"predictions":[{"id":"0198c0de-0000-7000-8000-000000000000","output":{"label":"normal","scores":{"normal":'
    b'0.9999999,"fault":0.0000001}},"version":"random_forest-1.0.0","stored":true}],'
    b'"request_id":"0198c0de-0000-7000-8000-000000000001"}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer one connection or request."""
    if scope["type"] == "websocket":
        await _echo(receive, send)
    elif scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": ANSWER})


async def _echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
