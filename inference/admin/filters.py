"""How lists are narrowed: predictions by time, which bounds the id and so the partitions, and devices by connection."""

import datetime
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from unfold.contrib.filters.admin import DropdownFilter

from inference import ids
from inference.models import Credential, Device, Endpoint, Feedback, Prediction
from inference.selectors import devices_connected

DEFAULT_HOURS = 7 * 24
RANGE = ("from", "until")
SHORT_LIFE = datetime.timedelta(days=1)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class SinceFilter(DropdownFilter):
    """Bounds a list of predictions from below, so that it reads a few partitions and not all."""

    title = "time"
    parameter_name = "since_hours"
    all_option = ["", "the last 7 days"]

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """The spans to choose from."""
        return [("1", "the last hour"), ("24", "the last day"), ("720", "the last 30 days"), ("9600", "400 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        """Predictions of the span, unless two times bound it."""
        if any(_moment(request.GET.get(name, "")) for name in RANGE):
            return queryset
        value = self.value() or ""
        hours = int(value) if value.isdecimal() and len(value) < 6 else DEFAULT_HOURS
        return queryset.filter(pk__gte=ids.floor(timezone.now() - datetime.timedelta(hours=hours)))


class RangeFilter(admin.ListFilter):
    """Bounds a list of predictions by two times in UTC, instead of by a span up to now."""

    title = "time from and until"
    template = "console/filter_range.html"

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Prediction], model_admin: admin.ModelAdmin
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in RANGE:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def expected_parameters(self) -> list[str]:
        """What it reads of the address."""
        return list(RANGE)

    def has_output(self) -> bool:
        """Always shown."""
        return True

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, str]]:
        """What was said."""
        yield {name: self.used_parameters.get(name, "") for name in RANGE}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        """Predictions between the two. Without a beginning it reads `DEFAULT_HOURS` hours up to the end."""
        begin, end = (_moment(self.used_parameters.get(name, "")) for name in RANGE)
        if end is not None:
            queryset = queryset.filter(pk__lt=ids.floor(end))
            begin = begin or max(end - datetime.timedelta(hours=DEFAULT_HOURS), _EPOCH)
        return queryset if begin is None else queryset.filter(pk__gte=ids.floor(begin))


class LabelFilter(DropdownFilter):
    """Predictions that answered a label."""

    title = "label"
    parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """The labels of all endpoints."""
        labels: set[str] = set()
        for output in Endpoint.objects.values_list("signature__output", flat=True):
            labels |= {"anomaly", "normal"} if output["kind"] == "anomaly" else set(output.get("labels") or ())
        return [(label, label) for label in sorted(labels)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        """Predictions with that label."""
        return queryset.alias(label=KT("output__label")).filter(label=self.value()) if self.value() else queryset


class FeedbackFilter(DropdownFilter):
    """Predictions of which somebody said what was true, or nobody yet."""

    title = "feedback"
    parameter_name = "feedback"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """With or without."""
        return [("1", "with feedback"), ("0", "without feedback")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        """Predictions with it, or without."""
        told = Exists(Feedback.objects.filter(prediction=OuterRef("pk")))
        return queryset.filter(told if self.value() == "1" else ~told) if self.value() in ("0", "1") else queryset


class ConnectedFilter(DropdownFilter):
    """Devices that have a socket open now, or none."""

    title = "connection"
    parameter_name = "connected"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """With or without."""
        return [("1", "connected"), ("0", "not connected")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        """Devices of the one kind."""
        return devices_connected(devices=queryset, are=self.value() == "1") if self.value() in ("0", "1") else queryset


class ShortLivedFilter(DropdownFilter):
    """Leaves out credentials that were made for less than a day and are over, as the console makes for trying."""

    title = "short-lived ones"
    parameter_name = "short_lived"
    all_option = ["", "hidden once they are over"]

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """Shown, too."""
        return [("1", "shown")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Credential]) -> QuerySet[Credential]:
        """All that are asked for by name, or else without those."""
        if self.value() == "1" or request.GET.get(SEARCH_VAR):
            return queryset
        made_for = F("expires_at") - F("created_at")
        over = queryset.alias(made_for=made_for).filter(expires_at__lte=Now(), made_for__lt=SHORT_LIFE)
        return queryset.exclude(pk__in=over.values("pk"))


def _moment(text: str) -> datetime.datetime | None:
    """A time as a browser's field writes it, taken as UTC; None for what is no time."""
    try:
        said = parse_datetime(text)
    except ValueError:
        return None
    if said is None:
        return None
    said = said.replace(tzinfo=datetime.UTC) if said.tzinfo is None else said
    return said if said >= _EPOCH else None
