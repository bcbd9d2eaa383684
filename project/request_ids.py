"""Every request to the console has a number, which stands in its answer and in what the control log says of it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from inference.ids import prediction_id
from inference.services.control import request_id

HEADER = "X-Request-ID"


@sync_and_async_middleware
def request_ids(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """The middleware. Numbers are given here only: one that a caller made up could point at another's request."""
    if iscoroutinefunction(get_response):

        async def number(request: HttpRequest) -> HttpResponse:
            said = prediction_id()
            mark = request_id.set(UUID(said))
            try:
                response = await get_response(request)
            finally:
                request_id.reset(mark)
            response.headers.setdefault(HEADER, said)
            return response
    else:

        def number(request: HttpRequest) -> HttpResponse:
            said = prediction_id()
            mark = request_id.set(UUID(said))
            try:
                response = get_response(request)
            finally:
                request_id.reset(mark)
            response.headers.setdefault(HEADER, said)
            return response

    return number
