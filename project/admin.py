"""People and their groups, in the console's clothes.

People are not deleted, since the records name them: an account is switched off. Who may log in is told by `is_staff`.
Nobody can make themselves or others more than the one who gave them their rights: superusers, single permissions and
what a group may do are a superuser's matter.
"""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from inference.admin.changes import LoggedAdmin
from inference.services import control_log_write

admin.site.unregister(User)
admin.site.unregister(Group)
# Celery's pages would run any task by hand and be written into no log; jobs/services/schedules.py makes schedules.
for package in ("django_celery_beat", "django_celery_results"):
    for model in apps.get_app_config(package).get_models():
        if admin.site.is_registered(model):
            admin.site.unregister(model)

SUPERUSERS_ONLY = ("is_superuser", "user_permissions")


@admin.register(User)
class UserAdmin(LoggedAdmin, DjangoUserAdmin, ModelAdmin):
    """People."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "first_name", "last_name", "shown_groups", "is_active", "last_login"]
    readonly_fields = ["last_login", "date_joined"]

    def get_queryset(self, request: HttpRequest) -> Any:
        """People with their groups."""
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """What only a superuser decides is shown to the others."""
        fields = list(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else [*fields, *SUPERUSERS_ONLY]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A superuser's account, and with it the password, is changed by superusers only."""
        above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return not above and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody: switch the account off."""
        return False

    @admin.display(description="Groups")
    def shown_groups(self, user: User) -> str:
        """The names of the groups."""
        return ", ".join(group.name for group in user.groups.all()) or ("superuser" if user.is_superuser else "-")

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        """Save; whoever is added here may log in."""
        if not change:
            obj.is_staff = True
        super().save_model(request, obj, form, change)

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Give someone a new password, and write that down."""
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            control_log_write(actor=request.user.get_username(), action="user.password", target=User.objects.get(pk=id))
        return response


@admin.register(Group)
class GroupAdmin(LoggedAdmin, DjangoGroupAdmin, ModelAdmin):
    """Groups."""
