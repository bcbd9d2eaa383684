"""Predictions and refused readings, as they are stored."""

import datetime
import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold import paginator as unfold_paginator
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display

from inference import ids
from inference.admin.pages import ShownAdmin, answer, table
from inference.models import Prediction, Rejection

DEFAULT_HOURS = 7 * 24
SHOWN_AT_MOST = 10_000
"""Rows one can page through; older ones are found by a filter."""


class InfinitePaginator(unfold_paginator.InfinitePaginator):
    """Pages without counting: counting a day's predictions can take longer than anyone waits.

    The name is what unfold's templates look at to show no number of results.
    """

    count = SHOWN_AT_MOST


class SinceFilter(DropdownFilter):
    """Bounds a list of predictions from below, so that it reads a few partitions and not all."""

    title = "time"
    parameter_name = "since_hours"
    all_option = ["", "the last 7 days"]

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """The spans to choose from."""
        return [("1", "the last hour"), ("24", "the last day"), ("720", "the last 30 days"), ("9600", "400 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        """Predictions of the span."""
        value = self.value() or ""
        hours = int(value) if value.isdecimal() and len(value) < 6 else DEFAULT_HOURS
        return queryset.filter(pk__gte=ids.floor(timezone.now() - datetime.timedelta(hours=hours)))


@admin.register(Prediction)
class PredictionAdmin(ShownAdmin):
    """Predictions, the newest first."""

    list_display = ["predicted", "endpoint", "holder", "tag", "answered", "source"]
    list_display_links = ["predicted"]
    list_filter = [
        SinceFilter,
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
    fields = [
        "id",
        "predicted",
        "endpoint",
        "version",
        "answered",
        "output_by_name",
        "features_by_name",
        "warnings",
        "error",
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

    @display(description="Features")
    def features_by_name(self, prediction: Prediction) -> SafeString:
        """The stored values under the names their version gives them."""
        inputs: list[dict[str, Any]] = prediction.version.manifest.get("signature", {}).get("inputs", [])
        labels = [f"{one['name']} ({one['unit']})" if one.get("unit") else one["name"] for one in inputs]
        if len(labels) != len(prediction.features):
            labels = [str(position) for position in range(len(prediction.features))]
        return table(dict(zip(labels, prediction.features, strict=True)))


@admin.register(Rejection)
class RejectionAdmin(ShownAdmin):
    """How many readings were refused, by hour."""

    list_display = ["hour", "endpoint", "device", "code", "count"]
    list_select_related = ["endpoint", "device"]
    list_filter = [("endpoint", RelatedDropdownFilter), ("device", AutocompleteSelectFilter)]
    list_filter_submit = True
    search_fields = ["code"]
    fields = ["hour", "endpoint", "device", "code", "count"]
