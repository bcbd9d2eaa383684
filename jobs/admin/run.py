"""One training run: its steps and its log, how good its version is, and whether that shall go live."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from inference.engine import card
from inference.engine.errors import ForetellError
from inference.models import Role
from inference.permissions import RUN_TRAINING, SEE_TRAININGS, may_deploy
from jobs.admin.pages import ELSES, JobsPage, given, may_run, run_get
from jobs.admin.run_plots import run_plots
from jobs.admin.trainings import MAX_REASON, ShownRun
from jobs.models import RunLine, TrainingRun
from jobs.services.training import training_run_approve, training_run_cancel, training_run_reject
from jobs.watch import run_mark

MOST_LINES = 500
State = TrainingRun.State

DECISIONS: dict[str, tuple[Callable[..., TrainingRun], str]] = {
    "approve": (training_run_approve, "Approved: it goes live."),
    "reject": (training_run_reject, "Rejected: it stays as it is, and does not go live."),
    "cancel": (training_run_cancel, "Cancelled."),
}
"""What may be decided of a run: by which service, and what is said then."""


class RunView(JobsPage):
    """One training run."""

    needs = {"GET": SEE_TRAININGS}

    def get(self, request: HttpRequest, id: uuid.UUID) -> HttpResponse:
        """Show it."""
        return self.shown(run_get(id))

    def shown(self, run: TrainingRun, problem: str = "", status: int = 200) -> HttpResponse:
        """Its page, with what was wrong with a decision."""
        request = self.request
        mine = may_run(request, RUN_TRAINING, run.endpoint)
        latest = list(RunLine.objects.filter(run=run.pk).order_by("-id")[: MOST_LINES + 1])
        lines = latest[:MOST_LINES][::-1]
        return self.show(
            "run.html",
            title=f"Training run: {run.endpoint.slug}/{run.algorithm}",
            status=status,
            socket=f"run={run.pk}",
            one=ShownRun(run),
            run=run,
            mark=run_mark(run),
            steps=_steps(run),
            lines=lines,
            cut=MOST_LINES if len(latest) > MOST_LINES else 0,
            after=lines[-1].pk if lines else 0,
            facts=_facts(run),
            metrics=_metrics(run),
            known=(run.report.get("held_out") or {}).get("known"),
            verdicts=[_verdict(one) for one in run.gate.get("verdicts", [])],
            plots=run_plots(run.report.get("plots") or {}),
            may_decide=mine and run.state == State.WAITING and may_deploy(request.user, run.endpoint),
            may_cancel=mine and run.state in (State.QUEUED, State.RUNNING),
            live=_live(run),
            questions=_questions(run),
            problem=problem,
            reason=request.POST.get("reason", ""),
        )


class DecideView(RunView):
    """Lets a run's version go live, or not, or ends the run."""

    needs = {"POST": RUN_TRAINING}

    def post(self, request: HttpRequest, id: uuid.UUID, action: str) -> HttpResponse:
        """Do it, and go back to the run's page.

        Raises:
            Http404: there is no such thing to decide.
            PermissionDenied: the endpoint is somebody else's, or what goes live is not for the user to decide.
        """
        if action not in DECISIONS:
            raise Http404
        run = run_get(id)
        if not may_run(request, RUN_TRAINING, run.endpoint):
            raise PermissionDenied(ELSES)
        if action != "cancel" and not may_deploy(request.user, run.endpoint):
            raise PermissionDenied
        reason = given(request, "reason")
        if len(reason) > MAX_REASON or (action != "cancel" and not reason):
            return self.shown(run, f"Say why, in 1 to {MAX_REASON} characters: it stays with the run.", 422)
        back = reverse("jobs:run", args=[run.pk])
        if page := self.asked_first(_questions(run).get(action, ""), title="Are you sure?", back=back):
            return page
        decide, said = DECISIONS[action]
        seen = {"replacing": given(request, "replacing")} if action == "approve" else {}
        try:
            decide(run=run, actor=request.user.get_username(), reason=reason, **seen)
        except ForetellError as error:
            messages.warning(request, str(error))
        else:
            messages.success(request, said)
        return HttpResponseRedirect(back)


def _questions(run: TrainingRun) -> dict[str, str]:
    """What is asked before something is decided."""
    tag = run.candidate.tag if run.candidate else "it"
    return {
        "approve": f"Let {tag} take over from {_live(run)}? Every process follows within 2 seconds.",
        "cancel": "Cancel this run? What it has done so far is thrown away.",
    }


def _live(run: TrainingRun) -> str:
    """The tag of what answers the endpoint now; `none` where nothing does."""
    live = run.endpoint.deployments.filter(role=Role.CHAMPION, ended_at=None).select_related("version").first()
    return live.version.tag if live else "none"


def _steps(run: TrainingRun) -> list[tuple[str, str]]:
    """Each step and how it stands: `done`, `now`, `failed` or `open`."""
    steps = list(TrainingRun.Step)
    at = steps.index(TrainingRun.Step(run.step))
    now = {State.FAILED: "failed", State.REFUSED: "failed", State.CANCELLED: "failed"}.get(run.state, "now")
    if run.state in (State.DEPLOYED, State.REGISTERED, State.REJECTED):
        at, now = len(steps), "done"
    if run.state == State.QUEUED:
        at, now = 0, "open"
    return [(step.label, "done" if place < at else now if place == at else "open") for place, step in enumerate(steps)]


def _facts(run: TrainingRun) -> list[tuple[str, Any]]:
    """Who asked for it, when, and of what it was made."""
    facts: list[tuple[str, Any]] = [
        ("Asked by", run.created_by),
        ("Asked (UTC)", f"{run.created_at:%Y-%m-%d %H:%M:%S}"),
        ("Policy", run.get_policy_display()),
    ]
    if run.feedback_since:
        facts.append(("Feedback since (UTC)", f"{run.feedback_since:%Y-%m-%d %H:%M}"))
    named = (("Rows in git", "base"), ("Rows of feedback", "feedback"))
    rows = run.data.get("rows", {})
    facts += [(said, f"{rows[name]:,}") for said, name in named if name in rows]
    facts += [(f"Left out: {why}", f"{count:,}") for why, count in run.data.get("left_out", {}).items()]
    held_out = run.report.get("held_out") or {}
    facts += [("Held out to judge on", f"{held_out['rows']:,} rows")] if "rows" in held_out else []
    if run.finished_at:
        facts.append(("Ended (UTC)", f"{run.finished_at:%Y-%m-%d %H:%M:%S}"))
    if run.decided_by:
        facts.append(("Decided by", run.decided_by))
    if run.schedule:
        facts.append(("Schedule", f"{run.schedule}, {run.slot}"))
    return facts


def _metrics(run: TrainingRun) -> list[tuple[str, str, str]]:
    """The metrics that are one number: of what was trained, and of what was live, on the same rows."""
    candidate, champion = ((run.report.get(whose) or {}).get("metrics") or {} for whose in ("candidate", "champion"))
    numbers = [name for name, value in candidate.items() if isinstance(value, int | float) and name != "rows"]
    names = sorted(numbers, key=lambda name: (name != run.gate.get("metric"), name))
    return [(name, _figure(candidate.get(name)), _figure(champion.get(name))) for name in names]


def _verdict(said: Mapping[str, Any]) -> dict[str, Any]:
    """What came of one rule of the gate."""
    return {
        "rule": str(said.get("rule", "")).replace("_", " "),
        "bound": _figure(said.get("bound")),
        "value": _figure(said.get("value")),
        "passed": said.get("passed"),
        "detail": said.get("detail", ""),
    }


def _figure(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return card.number(value)
    return "-" if value is None else str(value)
