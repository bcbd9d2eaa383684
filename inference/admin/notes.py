"""Notes on endpoints, versions and predictions: read where the thing is shown, and written there by who may.

A page shows them by `notes(request, thing)` in its context and `{% include "admin/inference/notes.html" %}`.
"""

import uuid
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from inference.admin.pages import ShownAdmin
from inference.models import Endpoint, Note, Prediction, Version
from inference.permissions import ADD_NOTE, may_delete
from inference.services import note_delete, note_write

KINDS: dict[str, type[Endpoint | Version | Prediction]] = {
    "endpoint": Endpoint,
    "version": Version,
    "prediction": Prediction,
}


def notes(request: HttpRequest, about: Endpoint | Version | Prediction) -> dict[str, Any]:
    """What the template of notes needs; nothing for who may not see them."""
    if not request.user.has_perm("inference.view_note"):
        return {}
    kind = type(about).__name__.lower()
    written = Note.objects.filter(**{kind: about.pk}).select_related("author")
    return {
        "notes": [(note, may_delete(request.user, note)) for note in written],
        "notes_here": request.get_full_path(),
        "notes_add": reverse("admin:inference_note_write", args=[kind, about.pk])
        if request.user.has_perm(ADD_NOTE)
        else None,
    }


class NotedAdmin:
    """Stands before a ModelAdmin: its rows' pages carry their notes."""

    change_form_outer_after_template = "admin/inference/notes.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page, with notes."""
        about = self.get_object(request, object_id) if object_id else None
        said = notes(request, about) if about is not None else {}
        return super().changeform_view(request, object_id, form_url, (extra_context or {}) | said)


@admin.register(Note)
class NoteAdmin(ShownAdmin):
    """All notes, the newest first."""

    nothing_yet = "Notes are written at the page of an endpoint, a version or a prediction."
    list_display = ["text", "on", "author", "written_at"]
    list_filter = [("author", AutocompleteSelectFilter)]
    list_filter_submit = True
    search_fields = ["text"]
    ordering = ["-id"]
    fields = ["on", "text", "author", "written_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Note]:
        """Notes with what they are about."""
        related = super().get_queryset(request).select_related("author", "endpoint", "version__endpoint")
        return related.defer("endpoint__signature", "version__manifest", "version__endpoint__signature")

    def get_urls(self) -> list[URLPattern]:
        """Django's, and where notes are written and taken away."""
        guard = self.admin_site.admin_view
        return [
            path("on/<str:kind>/<str:pk>/", guard(require_POST(self.write)), name="inference_note_write"),
            path("<int:pk>/take-away/", guard(require_POST(self.take_away)), name="inference_note_take_away"),
            *super().get_urls(),
        ]

    @display(description="On")
    def on(self, note: Note) -> str:
        """What it is about."""
        return str(note.about)

    def write(self, request: HttpRequest, kind: str, pk: str) -> HttpResponse:
        """Write a note.

        Raises:
            PermissionDenied: the user may not.
            Http404: what it would be about is not there.
        """
        if not request.user.has_perm(ADD_NOTE):
            raise PermissionDenied
        about = _found(kind, pk)
        try:
            note_write(about=about, author=request.user, text=request.POST.get("text", ""))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        return _back(request, about)

    def take_away(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take a note away.

        Raises:
            PermissionDenied: it is another's, and the user may only take away their own.
        """
        note = get_object_or_404(Note.objects.select_related("author"), pk=pk)
        if not may_delete(request.user, note):
            raise PermissionDenied
        note_delete(note=note, actor=request.user.get_username())
        messages.success(request, "The note is gone.")
        return _back(request, None)


def _found(kind: str, pk: str) -> Endpoint | Version | Prediction:
    model = KINDS.get(kind)
    try:
        number = uuid.UUID(pk) if model is Prediction else int(pk)
    except ValueError:
        model = None
    if model is None:
        raise Http404
    return get_object_or_404(model, pk=number)


def _back(request: HttpRequest, about: Model | None) -> HttpResponse:
    """Back to the page the note was written on, never to another server."""
    here = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(here, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        name = "note_changelist" if about is None else f"{about._meta.model_name}_change"
        here = reverse(f"admin:inference_{name}", args=[about.pk] if about else None)
    return HttpResponseRedirect(here)
