"""The pages of one endpoint: what it asks and answers, its versions side by side, how to connect, and what was live."""

import re
from typing import Any

import msgspec
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from inference.admin.notes import notes
from inference.admin.snippets import snippets
from inference.admin.views import PageView
from inference.engine import card
from inference.engine.errors import ForetellError
from inference.engine.example import example
from inference.engine.manifest import Manifest
from inference.errors import SignatureMismatch
from inference.models import Deployment, Endpoint, Role, Version
from inference.permissions import DEPLOY, TRY, may_deploy
from inference.selectors import endpoint_get, version_get, version_list
from inference.services import version_deploy

VIEW = "inference.view_endpoint"
HISTORY = 20
MAX_REASON = 1000


class EndpointView(PageView):
    """A page of the endpoint that the address names."""

    needs = {"GET": VIEW}
    tab = ""
    endpoint: Endpoint

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Forget what an earlier request found."""
        super().setup(request, *args, **kwargs)
        self._champion: Deployment | None = None

    def dispatch(self, request: HttpRequest, *args: Any, slug: str, **kwargs: Any) -> HttpResponseBase:
        """Answer whoever may see it."""
        self.slug = slug
        return super().dispatch(request, *args, **kwargs)

    def find(self) -> Deployment | None:
        """Find the endpoint, and give the deployment that answers it now.

        Raises:
            UnknownEndpoint: there is none of that name.
        """
        self.endpoint = endpoint_get(slug=self.slug)
        opened = self.endpoint.deployments.filter(role=Role.CHAMPION, ended_at=None)
        self._champion = opened.select_related("version").defer("version__manifest").first()
        return self._champion

    def show(self, template: str, *, title: str = "", status: int = 200, **context: Any) -> TemplateResponse:
        """A page of this endpoint, with its name, what is live, and its tabs."""
        user = self.request.user
        tabs = [("Overview", "endpoint", True), ("Versions", "versions", True)]
        tabs += [("Try it", "try", user.has_perm(TRY)), ("Connect", "connect", True)]
        return self.page(
            f"console/{template}",
            title=title or self.endpoint.name,
            subtitle="" if title else self.tab,  # before the title, in the window's only
            status=status,
            endpoint=self.endpoint,
            champion=self._champion,
            tabs=[
                {"title": said, "link": reverse(f"console:{name}", args=[self.slug]), "active": said == self.tab}
                for said, name, shown in tabs
                if shown
            ],
            may_deploy=may_deploy(user, self.endpoint),
            may_try=user.has_perm(TRY),
            **context,
        )


class OverviewView(EndpointView):
    """What an endpoint asks and answers, and what was live when and why."""

    tab = "Overview"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it."""
        self.find()
        signature = self.endpoint.signature
        history = self.endpoint.deployments.select_related("version").defer("version__manifest")
        return self.show(
            "endpoint.html",
            asked=card.asked(signature),
            answered=card.answered(signature),
            history=history[:HISTORY],
            **notes(request, self.endpoint),
        )


class VersionsView(EndpointView):
    """An endpoint's versions side by side."""

    tab = "Versions"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show them, and the way back to the one before."""
        champion = self.find()
        versions = version_list(endpoint=self.endpoint)
        names = _metric_names(versions)
        ended = self.endpoint.deployments.filter(role=Role.CHAMPION).exclude(ended_at=None)
        before = ended.select_related("version").defer("version__manifest").first() if champion else None
        return self.show(
            "versions.html",
            metrics=names,
            versions=[
                {
                    "tag": version.tag,
                    "live": champion is not None and champion.version_id == version.pk,
                    "fits": version.signature_digest == self.endpoint.signature_digest,
                    "metrics": [_figure(version.metrics, name) for name in names],
                    "runtime": version.runtime,
                    "origin": version.get_origin_display(),
                    "created_at": version.created_at,
                }
                for version in versions
            ],
            before=before if before and before.version_id != champion.version_id else None,
        )


class VersionView(EndpointView):
    """A version's model card."""

    tab = "Versions"

    def get(self, request: HttpRequest, tag: str) -> HttpResponse:
        """Show it."""
        champion = self.find()
        version = version_get(endpoint=self.endpoint, tag=tag)
        return self.show(
            "version.html",
            title=f"Version {version.tag}",
            version=version,
            live=champion is not None and champion.version_id == version.pk,
            sections=card.sections(_manifest(version), digest=version.digest),
            **notes(request, version),
        )


class CardView(EndpointView):
    """A version's model card to take along."""

    def get(self, request: HttpRequest, tag: str) -> HttpResponse:
        """Send it as a Markdown file."""
        self.find()
        version = version_get(endpoint=self.endpoint, tag=tag)
        text = card.markdown(_manifest(version), digest=version.digest)
        name = f"{self.endpoint.slug}-{version.tag}.md"
        return HttpResponse(
            text,
            content_type="text/markdown; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


class ConnectView(EndpointView):
    """Lines to paste that ask this endpoint at the address this page was opened at."""

    tab = "Connect"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show them."""
        champion = self.find()
        reference = {} if champion is None else champion.version.manifest.get("reference", {})
        features = example(self.endpoint.signature, reference)
        secure = request.is_secure()
        return self.show(
            "connect.html",
            snippets=snippets(self.slug, features, host=request.get_host(), secure=secure),
            may_add_device=request.user.has_perm("inference.add_device"),
        )


class DeployView(EndpointView):
    """Makes a version live, with a reason. Rolling back is the same with an earlier version."""

    tab = "Versions"
    needs = {"GET": DEPLOY, "POST": DEPLOY}

    def get(self, request: HttpRequest, tag: str) -> HttpResponse:
        """Ask why, and show what changes."""
        return self._form(tag)

    def post(self, request: HttpRequest, tag: str) -> HttpResponse:
        """Do it, unless the reason is missing or someone else was faster."""
        self.find()
        version = version_get(endpoint=self.endpoint, tag=tag)
        if not may_deploy(request.user, self.endpoint):
            return self._form(tag, "This endpoint belongs to somebody else. Ask its owner.", status=403)
        reason = request.POST.get("reason", "").strip()
        if not 0 < len(reason) <= MAX_REASON:
            return self._form(tag, f"Say why, in 1 to {MAX_REASON} characters: it stays in the history.", status=400)
        try:
            if (other := self._deploy(version, reason)) is not None:
                return self._form(tag, f"Meanwhile {other} went live. Look again at what would change.", status=409)
        except SignatureMismatch:
            return self._form(tag, "Its inputs or outputs differ. Tick the box to deploy it all the same.", status=409)
        except ForetellError as error:
            return self._form(tag, str(error), status=409)
        messages.success(request, f"{version.tag} is live. Every process follows within 2 seconds.")
        return HttpResponseRedirect(reverse("console:versions", args=[self.slug]))

    @transaction.atomic
    def _deploy(self, version: Version, reason: str) -> str | None:
        """Deploy, unless something else is live than the form showed: then its tag."""
        # Locked as the service does, so that nothing goes live between the look and the deployment.
        Endpoint.objects.select_for_update(no_key=True).get(pk=self.endpoint.pk)
        champion = self.find()
        live, seen = champion.version.tag if champion else "", self.request.POST.get("instead_of", "")
        if live != seen:
            return live or "nothing"
        version_deploy(
            endpoint=self.endpoint,
            version=version,
            actor=self.request.user.get_username(),
            reason=reason,
            major=self.request.POST.get("major") == "1",
        )
        return None

    def _form(self, tag: str, problem: str = "", status: int = 200) -> HttpResponse:
        champion = self.find()
        version = version_get(endpoint=self.endpoint, tag=tag)
        earlier = self.endpoint.deployments.filter(version=version, role=Role.CHAMPION).exists()
        return self.show(
            "deploy.html",
            title=f"{'Roll back to' if earlier else 'Deploy'} {version.tag}",
            status=status,
            version=version,
            problem=problem,
            reason=self.request.POST.get("reason", ""),
            differs=version.signature_digest != self.endpoint.signature_digest,
            changes=_changes(self.endpoint.signature, version.manifest["signature"]),
            compared=_compared(champion.version if champion else None, version),
        )


def _manifest(version: Version) -> Manifest:
    return msgspec.convert(version.manifest, Manifest)


def _metric_names(versions: list[Any]) -> list[str]:
    """The metrics that are one number, by name."""
    names = {name for version in versions for name in version.metrics or {}}
    return [name for name in sorted(names) if any(_figure(one.metrics, name) != "-" for one in versions)]


def _figure(metrics: dict[str, Any] | None, name: str) -> str:
    value = (metrics or {}).get(name)
    return card.number(value) if isinstance(value, int | float) and not isinstance(value, bool) else "-"


def _compared(live: Version | None, version: Version) -> list[tuple[str, str, str]]:
    """The metrics of what is live and of what may follow it."""
    new = version.manifest.get("metrics", {})
    old = live.manifest.get("metrics", {}) if live else {}
    names = [name for name in new if _figure(new, name) != "-"]
    return [(name, _figure(old, name), _figure(new, name)) for name in names]


def _changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """How two signatures differ, in sentences."""
    before = {row[0]: " ".join(row[1:4]) for row in card.input_rows(old)}
    after = {row[0]: " ".join(row[1:4]) for row in card.input_rows(new)}
    said = [f"{name} is asked for no more." for name in before if name not in after]
    said += [f"{name} is new: {after[name]}." for name in after if name not in before]
    said += [
        f"{name} was {before[name]} and becomes {after[name]}."
        for name in after
        if name in before and before[name] != after[name]
    ]
    if list(card.output_rows(old)) != list(card.output_rows(new)):
        said.append("What is answered is another thing.")
    if not said and list(before) != list(after):
        said.append("The inputs stand in another order.")
    return [re.sub(r" - ", " ", sentence) for sentence in said]
