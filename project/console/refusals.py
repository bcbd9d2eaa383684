"""The page for a failure of ours. The other refusals are templates that Django finds by their status."""

from django.http import HttpRequest, HttpResponseServerError
from django.template.loader import render_to_string

from inference.services.control import request_id


def server_error(request: HttpRequest) -> HttpResponseServerError:
    """Say that it is our fault, and the request's number, by which the log can be searched."""
    return HttpResponseServerError(render_to_string("500.html", {"number": request_id.get()}))
