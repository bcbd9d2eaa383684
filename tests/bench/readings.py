"""Real readings of the shuttle, as rows and as the bytes a client sends.

Varied on purpose: one repeated row lets a forest's branches be predicted and flatters it by half.
"""

import gzip
import itertools
import json
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
SHUTTLE = ROOT / "artifacts" / "shuttle_fault"
NAMES = tuple(f"s{number}" for number in range(1, 10))


def rows(count: int) -> list[tuple[float, ...]]:
    """`count` readings of nine sensors, spread evenly over the data, repeated when there are not enough."""
    with gzip.open(next((SHUTTLE / "data").glob("*.csv.gz")), "rt") as lines:
        next(lines)
        values = [tuple(float(value) for value in line.split(",")[: len(NAMES)]) for line in lines]
    step = max(1, len(values) // count)
    return list(itertools.islice(itertools.cycle(values[::step]), count))


def features(row: Iterable[float]) -> dict[str, float]:
    """A row by the names of its sensors; whole values are written as whole numbers, as the device writes them."""
    return {name: int(value) if value == int(value) else value for name, value in zip(NAMES, row, strict=True)}


def frames(count: int) -> list[bytes]:
    """`count` readings as finished WebSocket frames, masked as a client's must be."""
    return [text_frame(msgspec.json.encode({"features": features(row)})) for row in rows(count)]


def text_frame(payload: bytes, opcode: int = 1) -> bytes:
    """One masked client frame with FIN set; `payload` is at most 65,535 bytes."""
    size = len(payload)
    head = bytes((0x80 | opcode, 0x80 | size)) if size < 126 else bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[index & 3] for index, byte in enumerate(payload))


def requests(count: int, *, path: str, bodies: Iterable[object], headers: dict[str, str]) -> list[bytes]:
    """`count` finished HTTP/1.1 POST requests over keep-alive, one for each body in turn."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    finished = []
    for body in itertools.islice(itertools.cycle(bodies), count):
        content = json.dumps(body, separators=(",", ":")).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{lines}"
        finished.append(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
    return finished
