"""Every error as `application/problem+json` (RFC 9457). The one place where an exception becomes an answer.

Express views and DRF views under Django's handler both come through here.
"""

import math
import random
from typing import Any

import msgspec
import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from rest_framework import exceptions as drf

from inference.engine.errors import ForetellError, InvalidInput, Problem
from inference.errors import InsufficientScope, Internal, InvalidToken, MissingToken, NotFound
from inference.http import media
from inference.http.errors import (
    BodyTooLarge,
    IncompleteBody,
    IncompleteUpload,
    MethodNotAllowed,
    NotAcceptable,
    UnsupportedMediaType,
)
from inference.http.register import REGISTER, meaning_of
from inference.http.replies import PROBLEM, Reply
from inference.ids import prediction_id

logger = structlog.get_logger(__name__)

URN = "urn:foretell:error:"
MAX_LISTED = 1000
"""How many bad fields `errors` names at most; `detail` says so when there are more."""
_MAX_NAME = 256
_EXTENSIONS = ("limit", "accepted", "supported", "run")
_RETRY_AFTER_S = {"storage_full": 30, "model_unavailable": 2, "audit_unavailable": 2}


def reply(error: Exception, request_id: str) -> Reply:
    """The answer to an exception; one that nobody raised on purpose is logged, and only its request id is told."""
    if not isinstance(error, ForetellError) or error.code not in REGISTER:
        logger.error("request failed", request_id=request_id, exc_info=error)
        error = Internal(request_id)
    return Reply(
        body=msgspec.json.encode(document(error, request_id)),
        status=meaning_of(error).status,
        media_type=PROBLEM,
        headers=_headers(error),
        closes=isinstance(error, BodyTooLarge | IncompleteBody | IncompleteUpload),
    )


def document(error: ForetellError, request_id: str) -> dict[str, Any]:
    """The problem document of an error."""
    meaning = meaning_of(error)
    said = {
        "type": URN + error.code,
        "title": meaning.title,
        "status": meaning.status,
        "detail": _sendable(str(error)),
        "code": error.code,
        "request_id": request_id,
    }
    said |= {name: getattr(error, name) for name in _EXTENSIONS if hasattr(error, name)}
    if isinstance(error, InvalidInput):
        said["errors"] = [_listed(problem) for problem in error.problems[:MAX_LISTED]]
        if (more := len(error.problems) - MAX_LISTED) > 0:
            said["detail"] += f" {more} more fields are wrong than are listed here."
    return said


def pointer(path: tuple[str | int, ...]) -> str:
    """A path as a JSON Pointer (RFC 6901); names no one would give are cut short."""
    return "".join("/" + _sendable(str(part)[:_MAX_NAME]).replace("~", "~0").replace("/", "~1") for part in path)


def _listed(problem: Problem) -> dict[str, str]:
    return {"pointer": pointer(problem.path), "code": problem.code, "detail": _sendable(problem.detail)}


def _sendable(text: str) -> str:
    """A text that may repeat what came, without halves of surrogate pairs, which UTF-8 has no bytes for."""
    return text.encode("utf-8", "replace").decode()


def _headers(error: ForetellError) -> tuple[tuple[bytes, bytes], ...]:
    status = meaning_of(error).status
    if status == 401:
        told = b"" if isinstance(error, MissingToken) else b', error="invalid_token"'
        return ((b"www-authenticate", b'Bearer realm="foretell"' + told),)
    if isinstance(error, MethodNotAllowed):
        return ((b"allow", ", ".join(error.allowed).encode()),)
    if status in (429, 503, 504):
        return ((b"retry-after", b"%d" % _retry_after_s(error)),)
    return ()


def _retry_after_s(error: ForetellError) -> int:
    """When to ask again, spread so that those who were refused together do not come back together."""
    told_ms = getattr(error, "retry_after_ms", None)
    if told_ms is not None:
        return max(1, math.ceil(told_ms / 1000))
    base = _RETRY_AFTER_S.get(error.code, 1)
    return random.randint(base, 2 * base)


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """DRF's `EXCEPTION_HANDLER`, for its views under Django's handler."""
    request_id = prediction_id()
    answer = reply(_translated(error, context), request_id)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return HttpResponse(
        answer.body,
        status=answer.status,
        content_type=PROBLEM.decode(),
        headers=headers | {"X-Request-ID": request_id},
    )


def _translated(error: Exception, context: dict[str, Any]) -> Exception:
    """DRF's and Django's own exceptions as ours."""
    match error:
        case drf.NotAuthenticated():
            return MissingToken()
        case drf.AuthenticationFailed():
            return InvalidToken()
        case drf.PermissionDenied() | PermissionDenied():
            return InsufficientScope("admin")
        case drf.NotFound() | Http404():
            return NotFound("This address")
        case drf.MethodNotAllowed():
            return MethodNotAllowed(str(context["request"].method), context["view"].allowed_methods)
        case drf.NotAcceptable():
            return NotAcceptable()
        case drf.UnsupportedMediaType():
            return UnsupportedMediaType(str(context["request"].content_type), media.ACCEPTED)
        case drf.ParseError():
            return InvalidInput(Problem("malformed_json", (), "The body is not JSON."))
    return error
