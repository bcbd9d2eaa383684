"""Who asks, and what they may do."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission


class BearerAuthentication(BaseAuthentication):
    """A credential in `Authorization: Bearer ft_…`. Cookies are never looked at."""

    def authenticate_header(self, request: Any) -> str:
        """What a 401 answers in `WWW-Authenticate`."""
        return 'Bearer realm="foretell"'

    def known_caller(self, request: Any) -> Any:
        """The `Caller` of a request if memory has it, else None; never waits."""
        return request.predictor.credentials.resolve_cached(request.authorization)

    async def caller(self, request: Any) -> Any:
        """The `Caller` of a request.

        Raises:
            MissingToken, InvalidToken, TokenExpired, DeviceDisabled: there is none.
        """
        return await request.predictor.credentials.resolve(request.authorization)


class HasScope(BasePermission):
    """The credential has one of the view's `scopes`. A view without scopes lets nobody in."""

    def has_permission(self, request: Any, view: Any) -> bool:
        """Whether the request's caller may use this view."""
        return request.auth is not None and not request.auth.scopes.isdisjoint(view.scopes)
