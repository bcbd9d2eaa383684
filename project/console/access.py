"""Who may open a page of the console: people who may log in, and of them those with the page's permissions.

A page made of a class inherits `PageMixin` and says `permission_required`; one made of a function is decorated with
`permission_required(…)`. Strangers are led to the login; who is logged in and may not is told 403. What also depends
on an endpoint's owner is asked of `inference.permissions` once the endpoint is known.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

View = Callable[..., HttpResponseBase]


def permission_required(*permissions: str) -> Callable[[View], View]:
    """Let in who has all of the permissions (`app.codename`); without any named, everyone who may log in.

    Raises:
        PermissionDenied: the user is logged in and lacks one.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return _refusal(request, permissions) or view(request, *args, **kwargs)

        return guarded

    return decorate


class PageMixin:
    """For views made of classes: `permission_required` names what is needed, one or a tuple, each `app.codename`."""

    permission_required: str | tuple[str, ...] = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Go on with who may."""
        said = self.permission_required
        permissions = (said,) if isinstance(said, str) else said
        return _refusal(request, permissions) or super().dispatch(request, *args, **kwargs)


def _refusal(request: HttpRequest, permissions: tuple[str, ...]) -> HttpResponseBase | None:
    user = request.user
    if not (user.is_active and user.is_staff):
        return redirect_to_login(request.get_full_path())
    if not user.has_perms(permissions):
        raise PermissionDenied
    return None
