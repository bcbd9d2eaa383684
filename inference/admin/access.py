"""Devices: made here or by command, never deleted, switched off instead."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from inference.admin.filters import ConnectedFilter
from inference.admin.pages import KeptAdmin, bounded, issued_page
from inference.models import Device, Endpoint, Scope
from inference.selectors import DEVICE_DAYS, device_activity
from inference.services import device_create, device_disable, device_enable


class DeviceForm(forms.ModelForm):
    """A device."""

    class Meta:
        model = Device
        fields = ["name", "description", "owner"]


class NewDeviceForm(DeviceForm):
    """A device and what its first credential may do."""

    scopes = forms.MultipleChoiceField(
        choices=[choice for choice in Scope.choices if choice[0] != Scope.ADMIN],
        initial=[Scope.PREDICT],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What its credential may do. A device that sends readings needs predict.",
    )
    endpoints = forms.ModelMultipleChoiceField(
        Endpoint.objects.defer("signature"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="The endpoints it may use; none chosen = all.",
    )


@admin.register(Device)
class DeviceAdmin(KeptAdmin):
    """Devices, with what they do now."""

    form = DeviceForm
    adds_by_service = True
    nothing_yet = "A device is a thing that sends readings. Add one to get the credential it sends them with."
    list_display = ["page", "state", "connected", "seen", "version", "rate", "rejected", "owner"]
    list_display_links = None
    list_filter = [ConnectedFilter, ("owner", AutocompleteSelectFilter)]
    list_filter_submit = True
    list_per_page = 50
    search_fields = ["name", "description"]
    autocomplete_fields = ["owner"]
    actions = ["disable", "enable"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Who may make credentials too: a new device comes with one."""
        return super().has_add_permission(request) and request.user.has_perm("inference.add_credential")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        """Devices with their owners."""
        return super().get_queryset(request).select_related("owner")

    def get_form(
        self, request: HttpRequest, obj: Device | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        """For a new device also what its credential may do."""
        form = super().get_form(request, obj, change, **kwargs | {"form": DeviceForm if change else NewDeviceForm})
        return bounded(form, request)

    def get_fields(self, request: HttpRequest, obj: Device | None = None) -> list[str]:
        """What is asked for."""
        return ["name", "description", "owner", *([] if obj else ["scopes", "endpoints"])]

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list, with what its devices do: a few queries for all of them."""
        changes = super().get_changelist_instance(request)
        devices = list(changes.result_list)
        activity = device_activity(devices=[device.pk for device in devices])
        for device in devices:
            device.activity = activity.get(device.pk)
        changes.result_list = devices
        return changes

    @display(description="Device", ordering="name")
    def page(self, device: Device) -> SafeString:
        """Its name, which leads to its page."""
        link = reverse("console:device", args=[device.name])
        return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', link, device.name)

    @display(description="State", label={"enabled": "success", "disabled": "danger"})
    def state(self, device: Device) -> str:
        """Whether it is let in."""
        return "enabled" if device.disabled_at is None else "disabled"

    @display(description="Connected", label={"connected": "success"})
    def connected(self, device: Device) -> tuple[str, str] | None:
        """How many sockets it has open now."""
        sockets = device.activity.sockets if device.activity else 0
        return ("connected", f"{sockets} socket{'s' if sockets > 1 else ''}") if sockets else None

    @display(description="Last seen (UTC)")
    def seen(self, device: Device) -> str:
        """When its latest stored prediction was made."""
        said = device.activity
        if said is None or said.seen_at is None:
            return f"not in the last {DEVICE_DAYS} days"
        return f"{said.seen_at:%Y-%m-%d %H:%M:%S}"

    @display(description="Answered by")
    def version(self, device: Device) -> str:
        """The version of its latest prediction."""
        said = device.activity
        return f"{said.endpoint}/{said.version}" if said and said.version else "-"

    @display(description="A second")
    def rate(self, device: Device) -> str:
        """Its stored predictions a second."""
        return f"{device.activity.predictions_per_s:.1f}" if device.activity else "0.0"

    @display(description="Refused in 24 h")
    def rejected(self, device: Device) -> str:
        """Its readings that were refused in the last 24 hours."""
        return f"{device.activity.rejected:,}" if device.activity else "0"

    def save_model(self, request: HttpRequest, obj: Device, form: DeviceForm, change: bool) -> None:
        """Make a new one by the service, with its credential; change only what was asked of an old one."""
        if change:
            obj.save(update_fields=["name", "description", "owner"])
            return
        request.issued = device_create(
            actor=request.user.get_username(),
            name=obj.name,
            description=obj.description,
            owner=obj.owner,
            scopes=form.cleaned_data["scopes"],
            endpoints=form.cleaned_data["endpoints"],
        )
        obj.__dict__.update(request.issued.credential.device.__dict__)

    def response_add(self, request: HttpRequest, obj: Device, post_url_continue: str | None = None) -> HttpResponse:
        """Show the credential, this once."""
        return issued_page(request, request.issued)

    @action(description="Disable: refuse them, also on open sockets", permissions=["change"])
    def disable(self, request: HttpRequest, devices: QuerySet[Device]) -> None:
        """Switch devices off."""
        for device in devices:
            device_disable(device=device, actor=request.user.get_username())
        self.message_user(request, f"Disabled: {', '.join(device.name for device in devices)}.", "success")

    @action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, devices: QuerySet[Device]) -> None:
        """Let devices in again."""
        for device in devices:
            device_enable(device=device, actor=request.user.get_username())
        self.message_user(request, f"Enabled: {', '.join(device.name for device in devices)}.", "success")
