"""What the server sends in the stream protocol, version 1, as JSON text. No I/O.

An output is JSON text already, the very text that is stored; a MessagePack session packs the finished frames.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from inference.engine.instances import Instance
from inference.engine.signature import Signature
from streaming.messages import Refused


def hello(
    *,
    session: str,
    endpoint: str,
    version: str | None,
    signature: Signature,
    audit: str,
    limits: Mapping[str, int],
    short: bool,
) -> str:
    """The server's first frame."""
    said: dict[str, Any] = {
        "type": "hello",
        "session": session,
        "endpoint": endpoint,
        "version": version,
        "signature": signature.digest,
    }
    if not short:
        described = signature.to_dict()
        said |= {"inputs": described["inputs"], "outputs": described["output"]}
    return _text(said | {"audit": audit, "last_seq": None, "limits": limits})


def prediction(id_: str, output_json: str, version: str, stored: bool, instance: Instance) -> str:
    """One answer. The output is JSON text already, the very text that is stored."""
    kept = "true" if stored else "false"
    text = f'{{"type":"prediction","id":"{id_}","output":{output_json},"version":"{version}","stored":{kept}'
    if instance.seq is not None:
        text += f',"seq":{instance.seq}'
    if instance.client_id is not None:
        text += f',"client_id":{_text(instance.client_id)}'
    if instance.warnings:
        text += f',"warnings":{_text(instance.warnings)}'
    return text + "}"


def predictions(items: Iterable[str]) -> str:
    """Several answers, each the text of a `prediction` or an `error`, in one frame."""
    return f'{{"type":"predictions","items":[{",".join(items)}]}}'


def error(refused: Refused) -> str:
    """A message could not be served."""
    said: dict[str, Any] = {"type": "error", "code": refused.code, "detail": refused.detail}
    for name in ("seq", "field"):
        if (value := getattr(refused, name)) is not None:
            said[name] = value
    said["retryable"] = refused.retryable
    if refused.retry_after_ms is not None:
        said["retry_after_ms"] = refused.retry_after_ms
    return _text(said)


def feedback(prediction: str, duplicate: bool) -> str:
    """The answer to feedback that is committed. `duplicate`: it was said before in these words."""
    return _text({"type": "feedback", "prediction": prediction, "stored": True, "duplicate": duplicate})


def event(name: str, **facts: object) -> str:
    """Something happened to the stream: `version_changed`, `schema_changed`, `paused`, `resumed`, `draining`."""
    return _text({"type": "event", "event": name, **facts})


def pong(n: int | None) -> str:
    """The answer to a ping."""
    return _text({"type": "pong"} if n is None else {"type": "pong", "n": n})


def _text(said: object) -> str:
    return msgspec.json.encode(said).decode()


def packed(text: str) -> bytes:
    """A frame as MessagePack: the same values under the same names."""
    return _pack(_read(text))


_pack = msgspec.msgpack.Encoder().encode
_read = msgspec.json.Decoder().decode
