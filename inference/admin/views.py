"""What the console's own pages share: who may open one, and the frame around it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.views.generic import View

from inference.errors import NotFound, UnknownEndpoint, UnknownVersion


class PageView(View):
    """A page of the console. `needs` says which permission each method asks for; a method without one is refused."""

    needs: ClassVar[Mapping[str, str]] = {}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer whoever may ask.

        Raises:
            PermissionDenied: they may not.
            Http404: what the address names is not there.
        """
        needed = self.needs.get("GET" if request.method == "HEAD" else str(request.method))
        if needed is None:
            return self.http_method_not_allowed(request, *args, **kwargs)
        if not request.user.has_perm(needed):
            raise PermissionDenied
        try:
            return super().dispatch(request, *args, **kwargs)
        except (UnknownEndpoint, UnknownVersion, NotFound) as error:
            raise Http404(str(error)) from error

    def page(self, template: str, *, title: str, status: int = 200, **context: Any) -> TemplateResponse:
        """A page in the console's frame."""
        frame = admin.site.each_context(self.request) | {"title": title}
        return TemplateResponse(self.request, template, frame | context, status=status)
