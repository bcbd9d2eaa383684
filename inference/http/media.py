"""Media types of requests and answers: JSON in, JSON out."""

from functools import lru_cache

from rest_framework.negotiation import BaseContentNegotiation

ACCEPTED = "application/json"
_ANSWERS = {"application/json": 3, "application/*": 2, "*/*": 1}
"""The ranges that take our answers in, and how specific each is (RFC 9110, 12.5.1)."""


class JsonOnly(BaseContentNegotiation):
    """DRF's negotiation, fixed: one parser, one renderer, whatever the request says."""

    def select_parser(self, request, parsers):
        """The only parser."""
        return parsers[0]

    def select_renderer(self, request, renderers, format_suffix=None):
        """The only renderer."""
        return renderers[0], renderers[0].media_type


@lru_cache(maxsize=256)
def accepts_json(accept: bytes) -> bool:
    """Whether an `Accept` header lets a JSON answer through: the most specific range that matches decides."""
    best, allowed = 0, False
    for item in accept.decode("latin-1").lower().split(","):
        media_range, *parameters = (part.strip() for part in item.split(";"))
        rank = _ANSWERS.get(media_range, 0)
        if rank > best:
            best = rank
            allowed = not any(_is_zero_quality(parameter) for parameter in parameters)
    return allowed or not accept.strip()


def _is_zero_quality(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in ("", ".", "0.")


@lru_cache(maxsize=256)
def is_json(content_type: bytes) -> bool:
    """Whether a `Content-Type` says JSON in UTF-8."""
    media_type, *parameters = (part.strip() for part in content_type.decode("latin-1").lower().split(";"))
    charsets = [parameter.partition("=")[2].strip('" ') for parameter in parameters if parameter.startswith("charset")]
    return media_type == ACCEPTED and all(charset in ("utf-8", "utf8") for charset in charsets)
