"""Whether the express lane takes a path."""

from typing import Any

from project import express


async def taken(path: str) -> bool:
    """Whether the express lane answers this path, here that it knows no such method; else it left all untouched."""
    messages: list[Any] = []

    async def receive() -> dict[str, Any]:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
        return messages[-1]

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    headers = [(b"host", b"localhost")]
    scope = {"type": "http", "method": "BREW", "path": path, "query_string": b"", "headers": headers}
    answered = await express.application(scope, receive, send) is not False
    assert answered == bool(messages)
    return answered
