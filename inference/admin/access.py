"""Devices and credentials: made here or by command, never deleted, switched off instead."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from inference.admin.pages import KeptAdmin
from inference.models import Credential, Device, Scope
from inference.services import credential_create, credential_revoke, device_disable, device_enable


@admin.register(Device)
class DeviceAdmin(KeptAdmin):
    """Devices."""

    list_display = ["name", "description", "owner", "state", "created_at"]
    search_fields = ["name", "description"]
    fields = ["name", "description", "owner", "disabled_at"]
    readonly_fields = ["disabled_at"]
    actions = ["disable", "enable"]

    @display(description="State", label={"enabled": "success", "disabled": "danger"})
    def state(self, device: Device) -> str:
        """Whether it is let in."""
        return "enabled" if device.disabled_at is None else "disabled"

    @action(description="Disable: refuse them, also on open sockets", permissions=["change"])
    def disable(self, request: HttpRequest, devices: QuerySet[Device]) -> None:
        """Switch devices off."""
        for device in devices:
            device_disable(device=device, actor=request.user.get_username())

    @action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, devices: QuerySet[Device]) -> None:
        """Let devices in again."""
        for device in devices:
            device_enable(device=device, actor=request.user.get_username())


class CredentialForm(forms.ModelForm):
    """Whose credential it is and what it may do."""

    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget)

    class Meta:
        model = Credential
        fields = ["device", "service", "scopes", "endpoints", "expires_at"]

    def clean(self) -> dict[str, Any]:
        """Refuse what would be no credential, or would quietly widen one."""
        cleaned = super().clean()
        if not self.instance.pk and bool(cleaned.get("device")) == bool(cleaned.get("service")):
            raise forms.ValidationError("Choose a device, or name a service: one of the two.")
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
    list_display = ["name", "holder", "shown_scopes", "shown_endpoints", "state", "created_by", "created_at"]
    list_display_links = ["name"]
    search_fields = ["prefix", "service", "device__name"]
    autocomplete_fields = ["device"]
    filter_horizontal = ["endpoints"]
    actions = ["revoke"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        """Credentials with whose they are, without their digests."""
        credentials = super().get_queryset(request).select_related("device", "created_by")
        return credentials.defer("secret_sha256").prefetch_related("endpoints")

    def get_fields(self, request: HttpRequest, obj: Credential | None = None) -> list[str]:
        """What is asked for, and later also what became of it."""
        asked = ["device", "service", "scopes", "endpoints", "expires_at"]
        return ["name", *asked, "created_by", "created_at", "revoked_at"] if obj else asked

    def get_readonly_fields(self, request: HttpRequest, obj: Credential | None = None) -> list[str]:
        """Whose it is never changes."""
        return ["name", "device", "service", "created_by", "created_at", "revoked_at"] if obj else []

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

    @display(description="State", label={"good": "success", "expired": "warning", "revoked": "danger"})
    def state(self, credential: Credential) -> str:
        """Whether it is accepted."""
        if credential.revoked_at is not None:
            return "revoked"
        over = credential.expires_at is not None and credential.expires_at <= timezone.now()
        return "expired" if over else "good"

    @action(description="Revoke: end them for good", permissions=["change"])
    def revoke(self, request: HttpRequest, credentials: QuerySet[Credential]) -> None:
        """End credentials."""
        for credential in credentials:
            credential_revoke(credential=credential, actor=request.user.get_username())

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
        context = self.admin_site.each_context(request) | {
            "title": "Keep this credential",
            "token": request.issued_token,
            "credential": obj,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/inference/credential/issued.html", context)
