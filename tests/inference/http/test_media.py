"""Which Accept and Content-Type headers let JSON through."""

import pytest

from inference.http import media


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        (b"", True),
        (b"*/*", True),
        (b"application/json", True),
        (b"application/*", True),
        (b"text/html, application/json;q=0.1", True),
        (b"APPLICATION/JSON; charset=utf-8", True),
        (b"text/html", False),
        (b"application/jsonp", False),
        (b"application/json;q=0", False),
        (b"application/json; q=0.000, */*", False),
        (b"*/*;q=0, application/json", True),
        (b"application/problem+json", False),
        (b",,;", False),
        (b"\xff\xfe", False),
    ],
)
def test_the_most_specific_range_decides(accept: bytes, accepted: bool) -> None:
    assert media.accepts(accept) is accepted


@pytest.mark.parametrize(
    ("content_type", "is_json"),
    [
        (b"application/json", True),
        (b"application/json;charset=UTF-8", True),
        (b'application/json; charset="utf-8"', True),
        (b"application/json; charset=latin-1", False),
        (b"application/json, application/json", False),
        (b"application/x-json", False),
        (b"text/json", False),
        (b"", False),
    ],
)
def test_a_body_is_json_in_utf_8_or_refused(content_type: bytes, is_json: bool) -> None:
    assert (media.type_of(content_type) == media.ACCEPTED) is is_json


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        (b"text/csv", True),
        (b"text/*", True),
        (b"application/json", False),
        (b"text/csv;q=0, */*", False),
        (b"text/*;q=0, text/csv", True),
    ],
)
def test_other_types_than_json_are_asked_for_in_the_same_way(accept: bytes, accepted: bool) -> None:
    assert media.accepts(accept, "text/csv") is accepted
