"""The express lane: from an ASGI scope to an async DRF view, without Django's handler. It dispatches only.

Its table is read from the URLconf once: every route whose view is an `ExpressView`. Whatever else stands under
`/api/` there belongs to Django; what stands nowhere there is answered here, by a problem document.
"""

from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

from inference.errors import NotFound
from inference.http.requests import Request
from inference.http.views import ExpressView

_API = "/api/"
_NOTHING: Mapping[str, str] = {}
_MAX_KNOWN = 1024
_LONGEST_KNOWN = 256

Match = tuple[type[ExpressView], Mapping[str, str]]
_known: dict[str, Match] = {}
"""Paths that were matched before: the same few are asked for all day."""


class UnknownPathView(ExpressView):
    """What an address under `/api/` answers that is none."""

    authentication_classes = []
    permission_classes = []

    def handler(self, request: Request) -> Any:
        """Refuse, whatever the method.

        Raises:
            NotFound: always, after the checks that come before everything.
        """
        request.check_headers()
        request.check_host()
        path: str = request.scope["path"]
        other = path.removesuffix("/") if path.endswith("/") else path + "/"
        hint = f"; did you mean {other[:200]}?" if _match(other) else ""
        raise NotFound(f"The address {path[:200]}{hint}")


@dataclass(slots=True)
class _Node:
    """One place in the tree of path segments. `name` is the parameter that `any` stands for."""

    view: type[ExpressView] | None = None
    fixed: dict[str, "_Node"] = field(default_factory=dict)
    any: "_Node | None" = None
    name: str = ""


def application(scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[bool | None]:
    """Answer an HTTP request; gives False for a path that is not ours: nothing was received or sent then.

    Await it like any ASGI application.
    """
    path = scope["path"]
    found = _match(path)
    if found is None:
        if not path.startswith(_API) or _is_django(path):
            return _not_ours()
        found = UnknownPathView, _NOTHING
    view, arguments = found
    return view.serve(scope, receive, send, arguments)


async def _not_ours() -> bool:
    return False


def _match(path: str) -> Match | None:
    """The view of a path and what stands for its parameters."""
    known = _known.get(path)
    if known is None and (known := _find(path)) is not None and len(path) <= _LONGEST_KNOWN:
        if len(_known) >= _MAX_KNOWN:
            _known.clear()
        _known[path] = known
    return known


def _find(path: str) -> Match | None:
    node = _root()
    arguments = _NOTHING
    for segment in path.split("/"):
        following = node.fixed.get(segment)
        if following is None:
            if node.any is None or not segment:
                return None
            following = node.any
            arguments = {**arguments, following.name: segment}
        node = following
    return None if node.view is None else (node.view, arguments)


def _is_django(path: str) -> bool:
    """Whether a path under `/api/` is one of Django's. Only asked where the express lane has no route."""
    try:
        match = resolve(path)
    except Resolver404:
        return False
    return match.route.startswith(_API.lstrip("/"))


@cache
def _root() -> _Node:
    root = _Node()
    for route, view in _routes(get_resolver().url_patterns, "/"):
        node = root
        for segment in route.split("/"):
            if segment.startswith("<"):
                node.any = node.any or _Node(name=segment.strip("<>").rpartition(":")[2])
                node = node.any
            else:
                node = node.fixed.setdefault(segment, _Node())
        node.view = view
    return root


def _routes(patterns: list[Any], prefix: str) -> Iterator[tuple[str, type[ExpressView]]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "view_class", None)
            if isinstance(view, type) and issubclass(view, ExpressView):
                yield route, view
