"""What Foretell's pages share: pages that only show, and values as a person reads them."""

import copy
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from inference.admin.changes import LoggedAdmin
from inference.models import Credential, Prediction, Scope
from inference.permissions import EVERY_ENDPOINT
from inference.services import Issued

_NUMBER = re.compile(r"[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,4})?", re.ASCII)
_ROW = (
    '<tr class="border-b border-base-200 dark:border-base-800">'
    '<th class="font-normal break-words pr-6 py-1 text-left align-top">{}</th>'
    # A digest is one word; only this lets it break in a table of automatic widths.
    '<td class="py-1" style="overflow-wrap: anywhere">{}</td></tr>'
)
STATES = {
    "good": "success",
    "expired": "warning",
    "revoked": "danger",
    "device disabled": "danger",
    "owner switched off": "danger",
}
"""What `state_of` says of a credential, and its colour."""


class KeptAdmin(LoggedAdmin, ModelAdmin):
    """A page of rows that are never deleted. `nothing_yet` says what an empty list waits for."""

    nothing_yet = ""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False


class ShownAdmin(KeptAdmin):
    """A page of rows that nobody adds, changes or deletes by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False


def table(values: Mapping[str, Any]) -> SafeString:
    """Names and values as a small table; a mapping inside becomes a table in its cell."""
    rows = format_html_join("", _ROW, ((name, _cell(value)) for name, value in values.items()))
    return format_html('<table class="ft-values">{}</table>', rows)


def answer(prediction: Prediction) -> str:
    """What was answered, in a few words: `fault 0.920`, `12.5`, `anomaly 0.130`, or the error's code."""
    output = prediction.output
    return said(output) if isinstance(output, dict) else prediction.error or "-"


def said(output: dict[str, Any]) -> str:
    """An output in a few words."""
    if "scores" in output:
        return f"{output['label']} {output['scores'][output['label']]:.3f}"
    if "value" in output:
        return f"{output['value']:.7g}"
    return f"{output['label']} {output['score']:.3f}"


def number_in(text: str) -> float | int | str:
    """The number that a form's text is; the text itself when it is none."""
    if not _NUMBER.fullmatch(text):
        return text
    try:
        return int(text)
    except ValueError:
        return float(text)


def issued_page(request: HttpRequest, issued: Issued) -> TemplateResponse:
    """A new token, on a page of its own: a message would be kept in a cookie or a session first."""
    device = issued.credential.device
    context = admin.site.each_context(request) | {
        "title": "Keep this credential",
        "token": issued.token,
        "credential": issued.credential,
        "device": device,
        "opts": Credential._meta,
    }
    return TemplateResponse(
        request,
        "admin/inference/credential/issued.html",
        context,
        headers={"Cache-Control": "no-store"},
    )


def state_of(credential: Credential) -> str:
    """Whether a credential is accepted: `good`, or `expired`, `revoked`, or what keeps its device out."""
    if credential.revoked_at is not None:
        return "revoked"
    over = credential.expires_at is not None and credential.expires_at <= timezone.now()
    refusal = credential.device.refusal if credential.device else ""
    return "expired" if over else refusal or "good"


def bounded(form: type[forms.ModelForm], request: HttpRequest) -> type[forms.ModelForm]:
    """The form without the scope `admin`, unless the user may act on every endpoint: a key must not open more."""
    scopes = form.base_fields.get("scopes")
    if scopes is not None and not request.user.has_perm(EVERY_ENDPOINT):
        form.base_fields["scopes"] = scopes = copy.deepcopy(scopes)
        scopes.choices = [choice for choice in Scope.choices if choice[0] != Scope.ADMIN]
    return form


def _cell(value: Any) -> Any:
    if isinstance(value, Mapping):
        return table(value)
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, list | tuple):
        return ", ".join(str(_cell(one)) for one in value)
    return "-" if value is None else value
