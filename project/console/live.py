"""The first page after login: what happens now. Its picture comes over a WebSocket (`streaming/watch.py`)."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from inference.permissions import TRY

SOCKET = "/ws/v1/live"


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the page's script has to know, for whoever may see predictions."""
    context["title"] = "Live"
    context["may_see"] = request.user.has_perm("inference.view_prediction")
    if context["may_see"]:
        context["live"] = {
            "socket": SOCKET,
            "endpoint": _page(request, "inference.view_endpoint", "console:endpoint", "SLUG"),
            "version": _page(request, "inference.view_version", "console:version", "SLUG", "TAG"),
            "device": _page(request, "inference.view_device", "console:device", "NAME"),
            "prediction": _page(request, "inference.view_prediction", "admin:inference_prediction_change", "ID"),
            "trial": _page(request, TRY, "console:try", "SLUG"),
            "predictions": reverse("admin:inference_prediction_changelist"),
            "new_device": _page(request, "inference.add_device", "admin:inference_device_add"),
        }
    return context


def _page(request: HttpRequest, permission: str, name: str, *parts: str) -> str:
    """The address of a page, with words that the script replaces; empty for who may not open it."""
    return reverse(name, args=parts) if request.user.has_perm(permission) else ""
