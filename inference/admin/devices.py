"""The page of one device: what it does, what of it is refused, its credentials; rotated, switched off and on here."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from inference.admin.pages import issued_page, state_of
from inference.admin.views import PageView
from inference.errors import NotFound
from inference.models import Device, Scope
from inference.permissions import EVERY_ENDPOINT
from inference.selectors import DEVICE_DAYS, REJECTED_HOURS, device_activity, device_get, device_rejections
from inference.services import Issued, device_disable, device_enable, device_rotate

OVERLAPS = {"0": "at once", "3600": "in an hour", "86400": "in a day"}
"""When a rotated credential's predecessors end, by seconds."""
CHANGE = "inference.change_device"
MAX_CREDENTIALS = 20


class DeviceView(PageView):
    """One device."""

    needs = {"GET": "inference.view_device"}

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """Show it."""
        device = device_get(name=name)
        user = request.user
        shown = user.has_perm("inference.view_credential")
        return self.page(
            "console/device.html",
            title=f"Device {device.name}",
            device=device,
            activity=device_activity(devices=[device.pk]).get(device.pk),
            days=DEVICE_DAYS,
            hours=REJECTED_HOURS,
            rejections=device_rejections(device=device),
            credentials=_credentials(device) if shown else None,
            may_change=user.has_perm(CHANGE),
            may_rotate=user.has_perm(CHANGE) and user.has_perm("inference.add_credential"),
            may_see_predictions=user.has_perm("inference.view_prediction"),
            overlaps=OVERLAPS,
        )


class DeviceRotateView(PageView):
    """Gives a device a new credential."""

    needs = {"POST": "inference.add_credential"}

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        """Make it and show it, this once.

        Raises:
            PermissionDenied: it would get the scope `admin`, which the user may not give away.
        """
        device = device_get(name=name)
        overlap = request.POST.get("overlap", "")
        if not request.user.has_perm(CHANGE):
            messages.error(request, "You may not change devices.")
        elif overlap not in OVERLAPS:
            messages.error(request, "Say when the old credential ends.")
        else:
            try:
                return issued_page(request, self._rotate(device, int(overlap)))
            except NotFound:
                messages.error(request, f"{name} never had a credential. Create one under Credentials.")
        return HttpResponseRedirect(reverse("console:device", args=[name]))

    @transaction.atomic
    def _rotate(self, device: Device, overlap_s: int) -> Issued:
        """Rotate. What the new credential may do is known when it is there; if it is too much, nothing has happened."""
        issued = device_rotate(device=device, overlap_s=overlap_s, actor=self.request.user.get_username())
        if Scope.ADMIN in issued.credential.scopes and not self.request.user.has_perm(EVERY_ENDPOINT):
            raise PermissionDenied
        return issued


class DeviceSwitchView(PageView):
    """Switches a device off or on."""

    needs = {"POST": CHANGE}

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        """Do what the button said, not the opposite of how things are: two clicks at once must not undo each other."""
        device = device_get(name=name)
        if request.POST.get("to") == "off":
            device_disable(device=device, actor=request.user.get_username())
            messages.success(request, f"{name} is disabled. Its open sockets close within 5 seconds.")
        elif request.POST.get("to") == "on":
            device_enable(device=device, actor=request.user.get_username())
            messages.success(request, f"{name} is enabled, with the credentials it has.")
        else:
            messages.error(request, "Say whether it goes on or off.")
        return HttpResponseRedirect(reverse("console:device", args=[name]))


def _credentials(device: Device) -> list[dict[str, Any]]:
    credentials = device.credentials.defer("secret_sha256").select_related("created_by").prefetch_related("endpoints")
    return [
        {
            "pk": credential.pk,
            "name": f"ft_{credential.prefix}_…",
            "scopes": ", ".join(credential.scopes),
            "endpoints": ", ".join(endpoint.slug for endpoint in credential.endpoints.all()) or "all",
            "state": state_of(credential),
            "expires_at": credential.expires_at,
            "created_at": credential.created_at,
            "created_by": credential.created_by,
        }
        for credential in credentials.order_by(F("revoked_at").desc(nulls_first=True), "-created_at")[:MAX_CREDENTIALS]
    ]
