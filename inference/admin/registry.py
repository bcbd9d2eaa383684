"""Endpoints, versions, and what was live when."""

from typing import Any

from django.contrib import admin
from django.db.models import F, Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.views import ChangeList

from inference.admin.notes import NotedAdmin
from inference.admin.pages import KeptAdmin, ShownAdmin, table
from inference.models import Deployment, Endpoint, Role, Version


class EndpointList(ChangeList):
    """The list of endpoints, whose rows lead to the console's own pages."""

    def url_for_result(self, result: Endpoint) -> str:
        """The endpoint's page."""
        return reverse("console:endpoint", args=[result.slug])


@admin.register(Endpoint)
class EndpointAdmin(NotedAdmin, KeptAdmin):
    """Endpoints. What `endpoint.toml` says is shown; who owns one, whether it answers, and what becomes of
    versions that retraining made, is decided here."""

    nothing_yet = "An endpoint is a question that models answer. `manage.py deploy` brings in those under artifacts/."
    list_display = ["page", "name", "champion", "audit", "owner", "retired_at"]
    list_display_links = ["page"]
    search_fields = ["slug", "name"]
    fields = [
        "slug",
        "name",
        "description",
        "champion",
        "audit",
        "inputs",
        "output",
        "folder",
        "promotion",
        "owner",
        "retired_at",
        "created_at",
    ]
    readonly_fields = [name for name in fields if name not in ("promotion", "owner", "retired_at")]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list."""
        return EndpointList

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: endpoints come from artifacts/."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        """Endpoints with their champions."""
        champions = Deployment.objects.filter(role=Role.CHAMPION, ended_at=None).select_related("version")
        prefetch = Prefetch("deployments", queryset=champions, to_attr="champions")
        return super().get_queryset(request).select_related("owner").prefetch_related(prefetch)

    @display(description="Endpoint", ordering="slug")
    def page(self, endpoint: Endpoint) -> str:
        """Its slug, which leads to its page."""
        return endpoint.slug

    @display(description="Champion")
    def champion(self, endpoint: Endpoint) -> str:
        """The version that answers."""
        return endpoint.champions[0].version.tag if endpoint.champions else "-"

    @display(description="Inputs")
    def inputs(self, endpoint: Endpoint) -> SafeString:
        """The inputs, one a line."""
        return table({one["name"]: _input(one) for one in endpoint.signature.get("inputs", [])})

    @display(description="Output")
    def output(self, endpoint: Endpoint) -> SafeString:
        """The kind of answer."""
        return table(endpoint.signature.get("output", {}))


@admin.register(Version)
class VersionAdmin(NotedAdmin, ShownAdmin):
    """Versions and how they were made."""

    nothing_yet = "A version is a trained model. `manage.py deploy` brings in those under artifacts/."
    list_display = ["tag", "endpoint", "origin", "summary", "created_at"]
    list_display_links = ["tag"]
    list_filter = [("endpoint", RelatedDropdownFilter), "origin"]
    list_filter_submit = True
    search_fields = ["algorithm", "digest"]
    fields = [
        "tag",
        "endpoint",
        "digest",
        "origin",
        "created_at",
        "metrics",
        "runtime",
        "parity",
        "params",
        "data",
        "environment",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Version]:
        """Versions; of their manifests, which are long, only the metrics."""
        versions = super().get_queryset(request).select_related("endpoint")
        return versions.annotate(hold_out=F("manifest__metrics")).defer("manifest", "endpoint__signature")

    @display(description="Version")
    def tag(self, version: Version) -> str:
        """The tag."""
        return version.tag

    @display(description="Metrics on held-out data")
    def summary(self, version: Version) -> str:
        """The metrics that are one number, in a line."""
        metrics = (version.hold_out or {}).items()
        return ", ".join(f"{name} {value:.4g}" for name, value in metrics if isinstance(value, float)) or "-"

    @display(description="Metrics on held-out data")
    def metrics(self, version: Version) -> SafeString:
        """What it reached on rows it was not trained on."""
        return table(version.hold_out or {})

    @display(description="Answered by")
    def runtime(self, version: Version) -> str:
        """ONNX Runtime or scikit-learn."""
        return version.manifest.get("runtime", "-")

    @display(description="ONNX compared with scikit-learn")
    def parity(self, version: Version) -> SafeString:
        """What the comparison found."""
        return table(version.manifest.get("parity", {}))

    @display(description="Parameters")
    def params(self, version: Version) -> SafeString:
        """What it was built with."""
        return table(version.manifest.get("params", {}) | {"seed": version.manifest.get("seed")})

    @display(description="Trained from")
    def data(self, version: Version) -> SafeString:
        """The data files and how many rows of each."""
        return table(version.manifest.get("data", {}))

    @display(description="Trained on")
    def environment(self, version: Version) -> SafeString:
        """The machine and its libraries."""
        return table(version.manifest.get("environment", {}))


@admin.register(Deployment)
class DeploymentAdmin(ShownAdmin):
    """What was live when, by whom and why."""

    nothing_yet = "Nothing was ever live. Deploy a version at its endpoint's page, under Versions."
    list_display = ["started_at", "endpoint", "tag", "role", "ended_at", "actor", "reason"]
    list_filter = [("endpoint", RelatedDropdownFilter), ("role", ChoicesDropdownFilter)]
    list_filter_submit = True
    fields = ["endpoint", "version", "role", "weight", "started_at", "ended_at", "actor", "reason"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Deployment]:
        """The history, without the versions' manifests."""
        deployments = super().get_queryset(request).select_related("endpoint", "version__endpoint")
        return deployments.defer("version__manifest", "endpoint__signature", "version__endpoint__signature")

    @display(description="Version")
    def tag(self, deployment: Deployment) -> str:
        """The version's tag."""
        return deployment.version.tag


def _input(said: dict) -> str:
    """One input in a line: `float, 0 to 130, in C`."""
    words = [said["dtype"]]
    if said.get("min") is not None or said.get("max") is not None:
        words.append(f"{said.get('min', '…')} to {said.get('max', '…')}")
    if said.get("categories"):
        words.append(" | ".join(said["categories"]))
    if said.get("unit") not in (None, "", "1"):
        words.append(f"in {said['unit']}")
    if said.get("nullable"):
        words.append("may be missing")
    return ", ".join(words)
