"""The console's own pages. Everything else of it is Django's admin."""

from django.contrib import admin
from django.urls import path, reverse_lazy
from django.views.generic import RedirectView, View

from inference.admin.devices import DeviceRotateView, DeviceSwitchView, DeviceView
from inference.admin.endpoints import CardView, ConnectView, DeployView, OverviewView, VersionsView, VersionView
from inference.admin.recomputing import RecomputeView
from inference.admin.trials import CredentialView, TryView
from inference.admin.truths import TruthView

app_name = "console"


def _page(route: str, view: type[View], name: str):
    return path(route, admin.site.admin_view(view.as_view()), name=name)


_ENDPOINT, _VERSION = "endpoints/<str:slug>/", "endpoints/<str:slug>/versions/<str:tag>/"

urlpatterns = [
    path("endpoints/", RedirectView.as_view(url=reverse_lazy("admin:inference_endpoint_changelist"))),
    path("devices/", RedirectView.as_view(url=reverse_lazy("admin:inference_device_changelist"))),
    _page(_ENDPOINT, OverviewView, "endpoint"),
    _page(f"{_ENDPOINT}versions/", VersionsView, "versions"),
    _page(f"{_ENDPOINT}connect/", ConnectView, "connect"),
    _page(f"{_ENDPOINT}try/", TryView, "try"),
    _page(f"{_ENDPOINT}try/credential/", CredentialView, "try_credential"),
    _page(_VERSION, VersionView, "version"),
    _page(f"{_VERSION}card.md", CardView, "card"),
    _page(f"{_VERSION}deploy/", DeployView, "deploy"),
    _page("predictions/<uuid:id>/recompute/", RecomputeView, "recompute"),
    _page("predictions/<uuid:id>/feedback/", TruthView, "truth"),
    _page("devices/<str:name>/", DeviceView, "device"),
    _page("devices/<str:name>/rotate/", DeviceRotateView, "device_rotate"),
    _page("devices/<str:name>/switch/", DeviceSwitchView, "device_switch"),
]
