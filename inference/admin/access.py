"""Devices and credentials: made here or by command, never deleted, switched off instead."""

import copy
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

from inference.admin.filters import ConnectedFilter, ShortLivedFilter
from inference.admin.pages import STATES, KeptAdmin, issued_page, state_of
from inference.models import Credential, Device, Endpoint, Scope
from inference.permissions import EVERY_ENDPOINT
from inference.selectors import DEVICE_DAYS, device_activity
from inference.services import (
    Issued,
    credential_create,
    credential_revoke,
    device_create,
    device_disable,
    device_enable,
)


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
        return _bounded(form, request)

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


class CredentialForm(forms.ModelForm):
    """Whose credential it is and what it may do."""

    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget)
    endpoints = forms.ModelMultipleChoiceField(
        Endpoint.objects.defer("signature"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="The endpoints it may use; none chosen = all.",
    )

    class Meta:
        model = Credential
        fields = ["device", "service", "scopes", "endpoints", "expires_at"]

    def clean(self) -> dict[str, Any]:
        """Refuse what would be no credential, or would quietly widen one."""
        cleaned = super().clean()
        if not self.instance.pk and bool(cleaned.get("device")) == bool(cleaned.get("service")):
            self.add_error("service", "Choose a device, or name a service: one of the two.")
        if self.instance.pk and self.instance.endpoints.exists() and not cleaned.get("endpoints"):
            raise forms.ValidationError(
                "A credential without endpoints may use all of them. Leave one, or revoke it and create another."
            )
        return cleaned


@admin.register(Credential)
class CredentialAdmin(KeptAdmin):
    """Credentials. Their tokens are shown once, when they are made."""

    form = CredentialForm
    adds_by_service = True
    nothing_yet = "A credential lets a device or a program in. A new device gets its first one by itself."
    list_display = ["name", "holder", "shown_scopes", "shown_endpoints", "state", "created_by", "created_at"]
    list_display_links = ["name"]
    list_filter = [ShortLivedFilter]
    list_filter_submit = True
    search_fields = ["prefix", "service", "device__name"]
    autocomplete_fields = ["device"]
    actions = ["revoke"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        """Credentials with whose they are, without their digests."""
        credentials = super().get_queryset(request).select_related("device__owner", "created_by")
        return credentials.defer("secret_sha256").prefetch_related("endpoints")

    def get_fields(self, request: HttpRequest, obj: Credential | None = None) -> list[str]:
        """What is asked for, and later also what became of it."""
        asked = ["device", "service", "scopes", "endpoints", "expires_at"]
        return ["name", "state", *asked, "created_by", "created_at", "revoked_at"] if obj else asked

    def get_readonly_fields(self, request: HttpRequest, obj: Credential | None = None) -> list[str]:
        """Whose it is never changes."""
        return ["name", "state", "device", "service", "created_by", "created_at", "revoked_at"] if obj else []

    @display(description="Credential")
    def name(self, credential: Credential) -> str:
        """Its public part."""
        return f"ft_{credential.prefix}_…"

    @display(description="Of")
    def holder(self, credential: Credential) -> str:
        """The device's or the service's name."""
        return f"device {credential.device.name}" if credential.device else f"service {credential.service}"

    @display(description="May")
    def shown_scopes(self, credential: Credential) -> str:
        """Its scopes."""
        return ", ".join(credential.scopes)

    @display(description="On")
    def shown_endpoints(self, credential: Credential) -> str:
        """Its endpoints."""
        return ", ".join(endpoint.slug for endpoint in credential.endpoints.all()) or "all endpoints"

    @display(description="State", label=STATES)
    def state(self, credential: Credential) -> str:
        """Whether it is accepted."""
        return state_of(credential)

    @action(description="Revoke: end them for good", permissions=["change"])
    def revoke(self, request: HttpRequest, credentials: QuerySet[Credential]) -> None:
        """End credentials."""
        for credential in credentials:
            credential_revoke(credential=credential, actor=request.user.get_username())
        self.message_user(request, f"Revoked: {', '.join(map(self.name, credentials))}.", "success")

    def get_form(
        self, request: HttpRequest, obj: Credential | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        """The form, with the scopes that the user may give away."""
        return _bounded(super().get_form(request, obj, change, **kwargs), request)

    def save_model(self, request: HttpRequest, obj: Credential, form: CredentialForm, change: bool) -> None:
        """Make a new one by the service; change only what was asked of an old one."""
        if change:
            obj.save(update_fields=["scopes", "expires_at"])
            return
        issued = credential_create(
            actor=request.user.get_username(),
            device=obj.device,
            service=obj.service,
            scopes=obj.scopes,
            endpoints=form.cleaned_data["endpoints"],
            expires_at=obj.expires_at,
            created_by=request.user,
        )
        obj.__dict__.update(issued.credential.__dict__)
        request.issued_token = issued.token

    def response_add(self, request: HttpRequest, obj: Credential, post_url_continue: str | None = None) -> HttpResponse:
        """Show the token, on a page of its own: a message would be kept in a cookie or a session first."""
        return issued_page(request, Issued(obj, request.issued_token))


def _bounded(form: type[forms.ModelForm], request: HttpRequest) -> type[forms.ModelForm]:
    """The form without the scope `admin`, unless the user may act on every endpoint: a key must not open more."""
    scopes = form.base_fields.get("scopes")
    if scopes is not None and not request.user.has_perm(EVERY_ENDPOINT):
        form.base_fields["scopes"] = scopes = copy.deepcopy(scopes)
        scopes.choices = [choice for choice in Scope.choices if choice[0] != Scope.ADMIN]
    return form
