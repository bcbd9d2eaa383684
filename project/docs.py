"""The OpenAPI document and the page that shows it. The page loads nothing from outside: it works offline."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Swagger UI sets styles from its script; scripts themselves come from our own files only."""


class DocumentView(SpectacularAPIView):
    """The OpenAPI 3 document, as JSON or YAML by the Accept header. It names no endpoint of anyone's."""

    authentication_classes = []
    permission_classes = []


class PageView(SpectacularSwaggerSplitView):
    """The document as a page to read and try."""

    authentication_classes = []
    permission_classes = []

    def finalize_response(self, request: HttpRequest, response: HttpResponse, *args: Any, **kwargs: Any) -> Any:
        """Add the content policy."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Content-Security-Policy"] = _POLICY
        return response
