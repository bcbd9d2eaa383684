"""Predictions and refused readings, as they are stored."""

import uuid
from typing import Any

from django.contrib import admin, messages
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from psycopg.errors import QueryCanceled
from unfold import paginator as unfold_paginator
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display

from inference.admin.filters import FeedbackFilter, LabelFilter, RangeFilter, SinceFilter
from inference.admin.notes import NotedAdmin
from inference.admin.pages import ShownAdmin, answer, table
from inference.admin.reach import PredictionList
from inference.admin.truths import truths
from inference.models import Prediction, Rejection

LIST_TIMEOUT_MS = 5000
SHOWN_AT_MOST = 10_000
"""Rows one can page through; older ones are found by a filter."""


class InfinitePaginator(unfold_paginator.InfinitePaginator):
    """Pages without counting: counting a day's predictions can take longer than anyone waits.

    The name is what unfold's templates look at to show no number of results.
    """

    count = SHOWN_AT_MOST


@admin.register(Prediction)
class PredictionAdmin(NotedAdmin, ShownAdmin):
    """Predictions, the newest first."""

    change_form_outer_before_template = "console/recompute.html"
    change_form_outer_after_template = "console/prediction.html"

    nothing_yet = (
        "Nothing was predicted in the last 7 days. Try an endpoint, or connect a device: "
        "the pages of an endpoint tell how."
    )
    list_display = ["predicted", "endpoint", "holder", "tag", "answered", "source"]
    list_display_links = ["predicted"]
    list_filter = [
        SinceFilter,
        RangeFilter,
        LabelFilter,
        FeedbackFilter,
        ("endpoint", RelatedDropdownFilter),
        ("version", RelatedDropdownFilter),
        ("device", AutocompleteSelectFilter),
        ("source", ChoicesDropdownFilter),
    ]
    list_filter_submit = True
    list_per_page = 50
    sortable_by = ()
    search_fields = ["id"]
    search_help_text = "A prediction's id"
    paginator = InfinitePaginator
    show_full_result_count = False
    list_before_template = "console/reach.html"
    fields = [
        "id",
        "predicted",
        "asked",
        "answered",
        "output_by_name",
        "features_by_name",
        "warned",
        "error",
        "digests",
        "device",
        "credential",
        "source",
        "request_id",
        "stream_id",
        "seq",
        "client_id",
        "subject",
        "device_time",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prediction]:
        """Predictions with what they refer to, without manifests."""
        related = super().get_queryset(request).select_related("endpoint", "version__endpoint", "device")
        return related.defer("endpoint__signature", "version__manifest", "version__endpoint__signature")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """What an address may narrow by. Feedback has its filter; a join would need what type json lacks, equality."""
        return not lookup.startswith("feedback__") and super().lookup_allowed(lookup, value, request)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PredictionList]:
        """A list that searches a bounded number of predictions."""
        return PredictionList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, or advice when what was asked for takes too long all the same."""
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = %s", [LIST_TIMEOUT_MS])
                return super().changelist_view(request, extra_context)
        except OperationalError as error:
            narrow = f"{request.path}?since_hours=1"
            if not isinstance(error.__cause__, QueryCanceled) or request.get_full_path() == narrow:
                raise
        messages.warning(request, "That took too long. Here is the last hour; choose an endpoint or a shorter time.")
        return HttpResponseRedirect(narrow)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page, with what was true and where to tell it."""
        stored = self.get_object(request, object_id) if object_id else None
        known = truths(request, stored) if stored is not None else {}
        return super().changeform_view(request, object_id, form_url, (extra_context or {}) | known)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Prediction], search_term: str
    ) -> tuple[QuerySet[Prediction], bool]:
        """The prediction of that id, and nothing for what is no id."""
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(pk=uuid.UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False

    @display(description="Predicted at (UTC)")
    def predicted(self, prediction: Prediction) -> str:
        """The time in its id."""
        return f"{prediction.predicted_at:%Y-%m-%d %H:%M:%S.%f}"[:-3]

    @display(description="Device")
    def holder(self, prediction: Prediction) -> str:
        """The device's name."""
        return prediction.device.name if prediction.device else "-"

    @display(description="Version")
    def tag(self, prediction: Prediction) -> str:
        """The version that answered."""
        return prediction.version.tag

    @display(description="Answer")
    def answered(self, prediction: Prediction) -> str:
        """What was answered."""
        return answer(prediction)

    @display(description="Output")
    def output_by_name(self, prediction: Prediction) -> SafeString:
        """All of the output."""
        return table(prediction.output or {})

    @display(description="Asked")
    def asked(self, prediction: Prediction) -> SafeString:
        """The endpoint and the version, each leading to its page."""
        slug, tag = prediction.endpoint.slug, prediction.version.tag
        link = '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>'
        pages = reverse("console:endpoint", args=[slug]), reverse("console:version", args=[slug, tag])
        return format_html(f"{link}/{link}", pages[0], slug, pages[1], tag)

    @display(description="Warnings")
    def warned(self, prediction: Prediction) -> str:
        """The codes that came with it."""
        return ", ".join(prediction.warnings or ()) or "-"

    @display(description="Made from")
    def digests(self, prediction: Prediction) -> SafeString:
        """What answered, to the last byte: manifest, files, data and code."""
        version, manifest = prediction.version, prediction.version.manifest
        made = {part: _sha256(manifest.get(part, {})) for part in ("files", "data", "code")}
        return table({"manifest": version.digest} | made)

    @display(description="Features")
    def features_by_name(self, prediction: Prediction) -> SafeString:
        """The stored values under the names their version gives them."""
        inputs: list[dict[str, Any]] = prediction.version.manifest.get("signature", {}).get("inputs", [])
        labels = [
            f"{one['name']} ({one['unit']})" if one.get("unit") not in (None, "1") else one["name"] for one in inputs
        ]
        if len(labels) != len(prediction.features):
            labels = [str(position) for position in range(len(prediction.features))]
        return table(dict(zip(labels, prediction.features, strict=True)))


def _sha256(listed: dict[str, Any]) -> dict[str, str]:
    """Digests by name, of a manifest's list of files with or without their sizes."""
    return {name: one["sha256"] if isinstance(one, dict) else one for name, one in listed.items()}


@admin.register(Rejection)
class RejectionAdmin(ShownAdmin):
    """How many readings were refused, by hour."""

    nothing_yet = "No reading was refused. Those that can't be used are counted here, by hour, device and reason."
    list_display = ["hour", "endpoint", "device", "code", "count"]
    list_select_related = ["endpoint", "device"]
    list_filter = [("endpoint", RelatedDropdownFilter), ("device", AutocompleteSelectFilter)]
    list_filter_submit = True
    search_fields = ["code"]
    fields = ["hour", "endpoint", "device", "code", "count"]
