"""What Foretell's pages share: pages that only show, and values as a person reads them."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from inference.admin.changes import LoggedAdmin
from inference.models import Prediction

_ROW = (
    '<tr class="border-b border-base-200 dark:border-base-800">'
    '<th class="font-normal pr-6 py-1 text-left align-top">{}</th><td class="py-1 break-words">{}</td></tr>'
)


class KeptAdmin(LoggedAdmin, ModelAdmin):
    """A page of rows that are never deleted."""

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
    return format_html("<table>{}</table>", rows)


def answer(prediction: Prediction) -> str:
    """What was answered, in a few words: `fault 0.920`, `12.5`, `anomaly 0.130`, or the error's code."""
    output = prediction.output
    if not isinstance(output, dict):
        return prediction.error or "-"
    if "scores" in output:
        return f"{output['label']} {output['scores'][output['label']]:.3f}"
    if "value" in output:
        return f"{output['value']:.7g}"
    return f"{output['label']} {output['score']:.3f}"


def _cell(value: Any) -> Any:
    if isinstance(value, Mapping):
        return table(value)
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, list | tuple):
        return ", ".join(str(_cell(one)) for one in value)
    return "-" if value is None else value
