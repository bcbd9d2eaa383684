"""Sessions without a socket: asked and answered by a test."""

import json
from typing import Any

from streaming.answers import Slot
from streaming.session import Served, Session
from tests.inference.engine.signatures import NUMERIC

READING = '{"features":[1,2,3]}'


def session(**options: Any) -> Session:
    """A session of `ridge-1.0.0`, which takes three numbers."""
    return Session(session_id="s-1", endpoint="flow", audit="strict", served=Served("ridge-1.0.0", NUMERIC), **options)


def opened(**options: Any) -> Session:
    """A session whose hello is sent already."""
    one = session(**options)
    one.frames_to_send()
    return one


def sent(one: Session) -> list[dict[str, Any]]:
    """What may leave now."""
    return [json.loads(text) for text in one.frames_to_send()]


def ask(one: Session, text: str = READING) -> Slot:
    """The slot of a message that was taken."""
    slot = one.receive(text)
    assert slot is not None
    return slot


def answer(one: Session, slot: Slot, *values: float, stored: bool = True) -> None:
    """Answer a slot, with one value for each of its instances."""
    one.answer(
        slot,
        ids=[f"id-{value}" for value in values],
        outcomes=[json.dumps({"value": value}) for value in values],
        version="ridge-1.0.0",
        stored=stored,
    )
