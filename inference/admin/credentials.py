"""Credentials: made here or by command, never deleted, revoked instead."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from inference.admin.filters import ShortLivedFilter
from inference.admin.pages import STATES, KeptAdmin, bounded, issued_page, state_of
from inference.models import Credential, Endpoint, Scope
from inference.services import Issued, credential_create, credential_revoke

SURE = "sure"


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
    change_form_outer_after_template = "admin/inference/credential/revoke.html"

    def get_urls(self) -> list[URLPattern]:
        """Django's, and where one credential is revoked."""
        revoke = self.admin_site.admin_view(require_POST(self.revoke_one))
        return [path("<int:pk>/revoke/", revoke, name="inference_credential_revoke"), *super().get_urls()]

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

    def revoke_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End the credential of a page, once it is said that this is meant.

        Raises:
            PermissionDenied: the user may not.
            Http404: there is none.
        """
        if not self.has_change_permission(request):
            raise PermissionDenied
        credential = get_object_or_404(self.get_queryset(request), pk=pk)
        if request.POST.get(SURE):
            reason = request.POST.get("reason", "").replace("\x00", "").strip()
            credential_revoke(credential=credential, actor=request.user.get_username(), reason=reason)
            messages.success(request, f"{self.name(credential)} is revoked. Its open sockets close within 5 seconds.")
        else:
            messages.error(request, "Nothing was revoked: tick that you are sure.")
        return HttpResponseRedirect(reverse("admin:inference_credential_change", args=[pk]))

    def get_form(
        self, request: HttpRequest, obj: Credential | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        """The form, with the scopes that the user may give away."""
        return bounded(super().get_form(request, obj, change, **kwargs), request)

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
