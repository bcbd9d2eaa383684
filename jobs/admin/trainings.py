"""The list of training runs, and the form that starts one."""

import datetime
import uuid
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from inference.engine import card
from inference.engine.errors import ForetellError
from inference.errors import UnknownEndpoint
from inference.models import Endpoint
from inference.permissions import RUN_TRAINING, SEE_TRAININGS, Person, may_act_on
from inference.selectors import endpoint_get
from jobs.admin.pages import JobsPage, given
from jobs.models import TrainingRun
from jobs.services.training import training_run_start

A_PAGE = 30
MAX_REASON = 1000
_COLOURS = {
    "running": "ft-good",
    "waiting": "ft-warn",
    "deployed": "ft-good",
    "registered": "ft-good",
    "refused": "ft-bad",
    "failed": "ft-bad",
}


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A training run as pages show it."""

    run: TrainingRun

    @property
    def colour(self) -> str:
        """The class of its state's badge."""
        return _COLOURS.get(self.run.state, "ft-off")

    @property
    def mark(self) -> str:
        """A word that is another one when the list has something new to say of it."""
        return f"{self.run.state} {self.run.step}"

    @property
    def metric(self) -> str:
        """What it was judged by."""
        return str(self.run.gate.get("metric", ""))

    @property
    def candidate(self) -> str:
        """The metric of what was trained."""
        return self._figure("candidate")

    @property
    def champion(self) -> str:
        """The metric of what was live, on the same rows."""
        return self._figure("champion")

    def _figure(self, whose: str) -> str:
        metrics = (self.run.report.get(whose) or {}).get("metrics") or {}
        value = metrics.get(self.metric)
        return card.number(value) if isinstance(value, int | float) else "-"


class TrainingsView(JobsPage):
    """Training runs, the newest first, with the form that starts one."""

    needs = {"GET": SEE_TRAININGS}

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show them."""
        return self.listed()

    def listed(self, status: int = 200, problem: str = "", wrong: str = "") -> HttpResponse:
        """The page, with what was wrong with its form."""
        user = self.request.user
        runs = TrainingRun.objects.select_related("endpoint", "candidate").defer(
            "endpoint__signature", "candidate__manifest"
        )
        before = _id(self.request.GET.get("before", ""))
        if before is not None:
            runs = runs.filter(pk__lt=before)
        some = list(runs.order_by("-pk")[: A_PAGE + 1])
        may_run = user.has_perm(RUN_TRAINING)
        return self.show(
            "trainings.html",
            title="Training",
            status=status,
            socket="" if before else "list=trainings",
            runs=[ShownRun(run) for run in some[:A_PAGE]],
            older=some[A_PAGE - 1].pk if len(some) > A_PAGE else None,
            before=before,
            may_run=may_run,
            algorithms=trainable(user) if may_run else [],
            values=self.request.POST,
            problem=problem,
            wrong=wrong,
        )


class StartView(TrainingsView):
    """Starts a training run."""

    needs = {"GET": SEE_TRAININGS, "POST": RUN_TRAINING}

    def post(self, request: HttpRequest) -> HttpResponse:
        """Start it."""
        reason = given(request, "reason")
        if not 0 < len(reason) <= MAX_REASON:
            return self.listed(422, f"Say why, in 1 to {MAX_REASON} characters: it stays with the run.", "reason")
        try:
            since = _since(given(request, "since"))
        except ValueError:
            return self.listed(422, "`Feedback since` expects a date and a time, or nothing.", "since")
        slug, _, algorithm = given(request, "algorithm").partition("/")
        try:
            run = training_run_start(
                endpoint=endpoint_of(request.user, slug),
                algorithm=algorithm,
                feedback_since=since,
                reason=reason,
                actor=request.user.get_username(),
                user=request.user,
            )
        except ForetellError as error:
            return self.listed(409, str(error), "algorithm")
        return HttpResponseRedirect(reverse("jobs:run", args=[run.pk]))


def trainable(user: Person) -> list[dict[str, Any]]:
    """The algorithms that can be trained anew, of the endpoints that somebody may act on."""
    found = []
    for endpoint in Endpoint.objects.filter(retired_at=None).order_by("slug"):
        fitting = endpoint.versions.filter(signature_digest=endpoint.signature_digest)
        names = sorted(set(fitting.order_by().values_list("algorithm", flat=True)))
        if names and may_act_on(user, endpoint):
            found.append({"endpoint": endpoint, "algorithms": names})
    return found


def endpoint_of(user: Person, slug: str) -> Endpoint:
    """An endpoint that somebody may act on.

    Raises:
        UnknownEndpoint: it is none.
    """
    endpoint = endpoint_get(slug=slug)
    if endpoint.retired_at is not None or not may_act_on(user, endpoint):
        raise UnknownEndpoint(slug)
    return endpoint


def _id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _since(text: str) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC) if text else None
