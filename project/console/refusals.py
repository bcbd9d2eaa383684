"""The pages for a failure of ours. The other refusals are templates that Django finds by their status."""

import sys
from http import HTTPStatus

import structlog
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template.loader import render_to_string

from inference.services.control import request_id

RETRY_AFTER_S = 2
_LOST = ("08", "57P")
"""Beginnings of the SQLSTATEs of a connection that broke, and of a server that stops or starts."""

logger = structlog.get_logger(__name__)


def server_error(request: HttpRequest) -> HttpResponse:
    """Say that it is our fault, and the request's number, by which the log can be searched; or that Postgres is away.

    All that fails behind Django's door comes here, sessions and templates too. A middleware would be too late: Django
    makes an answer of an exception before the next one sees it.
    """
    error = sys.exc_info()[1]
    if is_lost(error):
        return unreachable(error, sent=request.method not in ("GET", "HEAD"))
    return HttpResponseServerError(render_to_string("500.html", {"number": request_id.get()}))


def is_lost(error: BaseException | None) -> bool:
    """Whether a query failed because Postgres was not there, or left: not because it refused, or took too long."""
    # What psycopg calls an InterfaceError is a wrong use of it, never a lost connection.
    sqlstate = getattr(getattr(error, "__cause__", None), "sqlstate", None)
    return isinstance(error, OperationalError) and (not sqlstate or sqlstate.startswith(_LOST))


def unreachable(error: BaseException | None, *, sent: bool) -> HttpResponse:
    """The page that says so. It is one line of the log, not a traceback for each page that somebody opens meanwhile.

    Args:
        sent: whether something came that was to be stored.
    """
    logger.warning("the database can't be reached", reason=str(error).strip())
    page = HttpResponse(
        render_to_string("503.html", {"sent": sent}),
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Retry-After": str(RETRY_AFTER_S), "Cache-Control": "no-store"},
    )
    page._has_been_logged = True  # as Django marks what it has logged
    return page
