"""Media types of requests and answers: JSON in, JSON out, unless a view says otherwise."""

from functools import lru_cache

from rest_framework.negotiation import BaseContentNegotiation

ACCEPTED = "application/json"


class JsonOnly(BaseContentNegotiation):
    """DRF's negotiation, fixed: one parser, one renderer, whatever the request says."""

    def select_parser(self, request, parsers):
        """The only parser."""
        return parsers[0]

    def select_renderer(self, request, renderers, format_suffix=None):
        """The only renderer."""
        return renderers[0], renderers[0].media_type


@lru_cache(maxsize=256)
def accepts(accept: bytes, media_type: str = ACCEPTED) -> bool:
    """Whether an `Accept` header lets a media type through: the most specific range that matches decides (RFC 9110)."""
    ranges = ("*/*", media_type.partition("/")[0] + "/*", media_type)
    best, allowed = -1, False
    for item in accept.decode("latin-1").lower().split(","):
        media_range, *parameters = (part.strip() for part in item.split(";"))
        rank = ranges.index(media_range) if media_range in ranges else -1
        if rank > best:
            best = rank
            allowed = not any(_is_zero_quality(parameter) for parameter in parameters)
    return allowed or not accept.strip()


def _is_zero_quality(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in ("", ".", "0.")


@lru_cache(maxsize=256)
def type_of(content_type: bytes) -> str:
    """The media type that a `Content-Type` names, in lower case; "" where it says another charset than UTF-8."""
    media_type, *parameters = (part.strip() for part in content_type.decode("latin-1").lower().split(";"))
    charsets = [parameter.partition("=")[2].strip('" ') for parameter in parameters if parameter.startswith("charset")]
    return media_type if all(charset in ("utf-8", "utf8") for charset in charsets) else ""
