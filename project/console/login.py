"""Logging in, and getting a new password by mail: both are counted, and both say nothing about who exists."""

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.contrib.auth import views
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy
from unfold.forms import AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES

from inference.services import control_log_write
from project.console.throttle import LOGIN_AS, LOGIN_FROM, LOGIN_OF_ONE, RESET_FROM, RESET_TO, place

TOO_OFTEN = "Too many tries. Wait 15 minutes, then try again."

mails = ThreadPoolExecutor(1, thread_name_prefix="mail")
"""Where mails are sent, behind the answer: how long it takes would tell that there is an account."""


class LoginForm(AuthenticationForm):
    """The login, which refuses to look at a password after too many tries."""

    def clean(self) -> dict[str, Any]:
        """Count the try, then look.

        Raises:
            ValidationError: the name or password is wrong, or it was tried too often.
        """
        name, here = self.cleaned_data.get("username", "").casefold(), place(self.request)
        if name and "password" in self.cleaned_data:
            # All three count each time: a list would stop at the first that is spent.
            spent = [LOGIN_OF_ONE.spent(name, here), LOGIN_FROM.spent(here), LOGIN_AS.spent(name)]
            if any(spent):
                raise ValidationError(TOO_OFTEN, code="too_often")
        cleaned = super().clean()
        LOGIN_OF_ONE.forget(name, here)
        return cleaned


class ResetForm(PasswordResetForm):
    """Asks for a mail with a link. Asking too often is answered like all else and sends nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self)

    def save(self, *, request: Any, **options: Any) -> None:
        """Send the mail to whoever has the address."""
        spent = [RESET_TO.spent(self.cleaned_data["email"].casefold()), RESET_FROM.spent(place(request))]
        if not any(spent):
            super().save(request=request, **options)

    def send_mail(self, *args: Any, **options: Any) -> None:
        """Have the mail sent. One that can't be is logged."""
        mails.submit(super().send_mail, *args, **options)


class NewPasswordForm(SetPasswordForm):
    """The new password, twice. Setting it is written into the control log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self)

    @transaction.atomic
    def save(self, commit: bool = True) -> User:
        """Set it."""
        user = super().save(commit)
        control_log_write(actor=user.get_username(), action="user.password", target=user, reason="Reset by mail.")
        return user


class FrameMixin:
    """Gives a page the console's colours and names."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The page's context."""
        return admin.site.each_context(self.request) | super().get_context_data(**kwargs)


class ResetView(FrameMixin, views.PasswordResetView):
    """Asks for the address to send the link to."""

    form_class = ResetForm
    template_name = "console/password.html"
    email_template_name = "console/password_mail.txt"
    subject_template_name = "console/password_subject.txt"
    success_url = reverse_lazy("password_reset_done")
    extra_context = {
        "title": "A new password for",
        "window": "A new password",
        "lead": "Get a link by mail to set a new password.",
        "button": "Send the link",
    }


class ResetDoneView(FrameMixin, views.PasswordResetDoneView):
    """Says that a mail is under way, if there is an account."""

    template_name = "console/password.html"
    extra_context = {
        "title": "Look into your mail",
        "lead": "If there is an account with that address, a link is on its way. It is good for a day, and once.",
    }


class NewPasswordView(FrameMixin, views.PasswordResetConfirmView):
    """Takes the new password from whoever has the link."""

    form_class = NewPasswordForm
    template_name = "console/password.html"
    success_url = reverse_lazy("password_reset_complete")
    extra_context = {"lead": "It is asked for twice, since nobody sees it.", "button": "Set it"}


class NewPasswordDoneView(FrameMixin, views.PasswordResetCompleteView):
    """Says that it is set."""

    template_name = "console/password.html"
    extra_context = {"title": "Your new password is set", "lead": "Log in with it."}


@transaction.atomic
def own_password(request: HttpRequest) -> HttpResponse:
    """The page on which one changes one's own password, which is written into the control log."""
    response = admin.site.password_change(request)
    if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
        control_log_write(actor=request.user.get_username(), action="user.password", target=request.user)
    return response


def _dress(form: Form) -> None:
    for field in form.fields.values():
        field.widget.attrs["class"] = " ".join(BASE_INPUT_CLASSES)
