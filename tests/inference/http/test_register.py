"""Every code has a status and a page."""

import re
from collections.abc import Iterator
from pathlib import Path

from inference import errors as inference_errors
from inference.engine import errors as engine_errors
from inference.engine.errors import ForetellError
from inference.http import errors as http_errors
from inference.http.register import REGISTER

PAGE = Path(__file__).resolve().parents[3] / "docs" / "errors.md"
NEVER_OVER_HTTP = {
    "artifact_missing",
    "artifact_corrupted",
    "artifact_unlisted",
    "artifact_unsafe",
    "artifact_unreachable",
    "manifest_invalid",
    "manifest_mismatch",
    "definition_invalid",
    "invalid_signature",
    "signature_invalid",
    "release_invalid",
    "version_conflict",
    "taken_over",
    "database_unsafe",
}
"""Codes of commands and sockets: a request never meets them."""


def classes(root: type[ForetellError]) -> Iterator[type[ForetellError]]:
    for one in root.__subclasses__():
        yield one
        yield from classes(one)


def test_every_error_that_a_request_can_meet_has_a_status() -> None:
    modules = {engine_errors.__name__, inference_errors.__name__, http_errors.__name__, "inference.database"}
    codes = {
        one.__dict__["code"]
        for one in classes(ForetellError)
        if one.__module__ in modules and isinstance(one.__dict__.get("code"), str)
    }
    assert len(codes) > 25
    assert codes - NEVER_OVER_HTTP <= set(REGISTER)


def test_the_page_lists_every_code_with_its_status() -> None:
    listed = dict(re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert listed == {code: str(meaning.status) for code, meaning in REGISTER.items()}
