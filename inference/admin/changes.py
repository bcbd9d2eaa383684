"""Whatever is changed on a page of the admin is written into the control log, with the reason that was given."""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminTextInputWidget

from inference.services import control_log_write

REASON = "reason"


class LoggedAdmin:
    """Stands before a ModelAdmin: its changes are logged in their transaction, and its forms ask why.

    Values of fields whose name holds `password` are never written down.
    """

    adds_by_service = False
    """Whether a service makes new rows, which then writes them down itself."""

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        """The form, and a line for the reason where something may be changed."""
        if self._asks(request, obj):
            form = kwargs.get("form") or self.form
            reason = forms.CharField(
                required=False, widget=UnfoldAdminTextInputWidget, help_text="Why. Kept in the control log."
            )
            kwargs["form"] = type(form.__name__, (form,), {REASON: reason})
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[tuple[str | None, dict[str, Any]]]:
        """The fields, and a line for the reason where something may be changed."""
        fieldsets = list(super().get_fieldsets(request, obj))
        if not self._asks(request, obj):
            return fieldsets
        # Where no fields are named, Django takes all that the form has.
        fieldsets = [
            (name, said | {"fields": [field for field in said["fields"] if field != REASON]})
            for name, said in fieldsets
        ]
        return [*fieldsets, (None, {"fields": [REASON]})]

    def save_related(self, request: HttpRequest, form: forms.ModelForm, formsets: Iterable[Any], change: bool) -> None:
        """Save what belongs to the row, and write down what became other."""
        super().save_related(request, form, formsets, change)
        names = [name for name in (form.changed_data if change else form.cleaned_data) if _told(name)]
        if self.adds_by_service if not change else not names:
            return
        control_log_write(
            actor=request.user.get_username(),
            action=f"{self.opts.model_name}.{'change' if change else 'create'}",
            target=form.instance,
            before={name: _before(form, name) for name in names} if change else {},
            after={name: form.cleaned_data[name] for name in names},
            reason=form.cleaned_data.get(REASON, ""),
        )

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Model]) -> Any:
        """Write down what is about to be deleted."""
        for row in queryset:
            control_log_write(actor=request.user.get_username(), action=f"{self.opts.model_name}.delete", target=row)
        return super().log_deletions(request, queryset)

    def response_action(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Do what was chosen for the rows that were chosen: all of it or nothing."""
        return _together(super().response_action, request, queryset)

    def _asks(self, request: HttpRequest, obj: Model | None) -> bool:
        return obj is not None and self.has_change_permission(request, obj)


@transaction.atomic
def _together(act: Callable[..., Any], *args: Any) -> Any:
    return act(*args)


def _told(name: str) -> bool:
    return name != REASON and "password" not in name


def _before(form: forms.ModelForm, name: str) -> Any:
    """A value as it was; a row that was chosen by its number as that row."""
    value, field = form.initial.get(name), form.fields[name]
    if isinstance(field, forms.ModelChoiceField) and not isinstance(value, list):
        return field.queryset.filter(pk=value).first()
    return value
