"""Addresses by number, for whoever knows a thing by its id and not by its name."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from inference.admin.views import PageView
from inference.models import Endpoint, Version


class EndpointAddressView(PageView):
    """Leads to an endpoint's page."""

    needs = {"GET": "inference.view_endpoint"}

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Go there."""
        endpoint = get_object_or_404(Endpoint.objects.defer("signature"), pk=pk)
        return HttpResponseRedirect(reverse("console:endpoint", args=[endpoint.slug]))


class VersionAddressView(PageView):
    """Leads to a version's model card."""

    needs = {"GET": "inference.view_endpoint"}

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Go there."""
        version = get_object_or_404(Version.objects.select_related("endpoint").defer("manifest"), pk=pk)
        return HttpResponseRedirect(reverse("console:version", args=[version.endpoint.slug, version.tag]))
