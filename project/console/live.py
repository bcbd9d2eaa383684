"""The first page after login: what happens now. Its picture comes over a WebSocket (`streaming/watch.py`)."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

SOCKET = "/ws/v1/live"
_ANY = "0"
"""What stands in an address where the page's script puts the id of a thing."""


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the page's script has to know, for whoever may see predictions."""
    context["title"] = "Live"
    context["may_see"] = request.user.has_perm("inference.view_prediction")
    if context["may_see"]:
        context["live"] = {
            "socket": SOCKET,
            "endpoint": _page(request, "endpoint"),
            "version": _page(request, "version"),
            "prediction": _page(request, "prediction"),
            "predictions": reverse("admin:inference_prediction_changelist"),
            "device": reverse("admin:inference_device_add") if request.user.has_perm("inference.add_device") else "",
        }
    return context


def _page(request: HttpRequest, model: str) -> str:
    """The address of a thing's page; empty for who may not open it."""
    if not request.user.has_perm(f"inference.view_{model}"):
        return ""
    return reverse(f"admin:inference_{model}_change", args=[_ANY])
