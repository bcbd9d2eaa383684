"""The control log, to read."""

import json

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import FieldTextFilter, RangeDateTimeFilter
from unfold.decorators import display

from inference.admin.pages import ShownAdmin, table
from inference.models import ControlLog

LINE, VALUE = 120, 40
"""How many characters of a change, and of one value, the list shows; the row's page shows all."""


@admin.register(ControlLog)
class ControlLogAdmin(ShownAdmin):
    """Who changed what, the newest first."""

    list_display = ["moment", "actor", "action", "object_name", "change", "why"]
    list_display_links = ["moment"]
    list_filter = [
        ("at", RangeDateTimeFilter),
        ("actor", FieldTextFilter),
        ("action", FieldTextFilter),
        ("object_name", FieldTextFilter),
    ]
    list_filter_submit = True
    list_per_page = 50
    sortable_by = ()
    search_fields = ["actor", "action", "object_name", "reason"]
    search_help_text = "Who, what, on what, or why"
    fields = ["at", "actor", "action", "object_name", "object_id", "was", "became", "why", "history", "request_id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ControlLog]:
        """The log, with the deployments it refers to."""
        rows = super().get_queryset(request).select_related("deployment__version")
        return rows.defer("deployment__version__manifest")

    @display(description="At (UTC)")
    def moment(self, row: ControlLog) -> SafeString:
        """When, to the second."""
        return format_html('<span style="white-space: nowrap">{}</span>', f"{row.at:%Y-%m-%d %H:%M:%S}")

    @display(description="From → to")
    def change(self, row: ControlLog) -> str:
        """What became what, in a line."""
        if row.deployment is not None:
            return f"{row.deployment.version.tag} answers"
        names = dict.fromkeys([*row.before, *row.after])
        return _cut(", ".join(f"{name}: {_step(row, name)}" for name in names), LINE) or "-"

    @display(description="Why")
    def why(self, row: ControlLog) -> str:
        """The reason that was given."""
        return (row.deployment.reason if row.deployment else row.reason) or "-"

    @display(description="From")
    def was(self, row: ControlLog) -> SafeString | str:
        """The values before."""
        return table(row.before) if row.before else "-"

    @display(description="To")
    def became(self, row: ControlLog) -> SafeString | str:
        """The values after."""
        return table(row.after) if row.after else "-"

    @display(description="In the history")
    def history(self, row: ControlLog) -> SafeString | str:
        """The deployment it was, which tells from, to and why."""
        if row.deployment is None:
            return "-"
        link = reverse("admin:inference_deployment_change", args=[row.deployment_id])
        words = f"{row.deployment.version.tag} as {row.deployment.role}"
        return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', link, words)


def _step(row: ControlLog, name: str) -> str:
    """One value: what it became, and what it was if it was there before."""
    after = _cut(_short(row.after.get(name)), VALUE)
    return f"{_cut(_short(row.before[name]), VALUE)} → {after}" if name in row.before else after


def _cut(said: str, length: int) -> str:
    return said if len(said) <= length else f"{said[: length - 1]}…"


def _short(value: object) -> str:
    if value in (None, "", [], {}):
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
