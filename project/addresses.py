"""What an address of the console may hold: text that Postgres can compare with something."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware


@sync_and_async_middleware
def addresses(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """The middleware. Nothing stored has NUL in it, and Postgres refuses even to be asked for such a thing."""
    if iscoroutinefunction(get_response):

        async def readable(request: HttpRequest) -> HttpResponse:
            _check(request)
            return await get_response(request)
    else:

        def readable(request: HttpRequest) -> HttpResponse:
            _check(request)
            return get_response(request)

    return readable


def _check(request: HttpRequest) -> None:
    if "\0" in request.path:
        raise Http404("Nothing is called so.")
    if "%00" in request.META["QUERY_STRING"]:
        raise BadRequest("The query holds NUL.")
