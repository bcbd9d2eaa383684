"""Schedules: what starts by itself, when, and what came of it the last time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from inference.engine.errors import ForetellError
from inference.permissions import RUN_BATCH, RUN_TRAINING, SEE_BATCHES, Person, may_act_on
from inference.selectors import endpoint_get
from jobs.admin.answerers import answerers
from jobs.admin.pages import ELSES, JobsPage, device_of, given
from jobs.admin.trainings import endpoint_of, trainable
from jobs.errors import BadSchedule
from jobs.models import BatchJob, TrainingRun
from jobs.replay.query import MOST_ROWS
from jobs.schedules.rows import (
    BatchPlan,
    Plan,
    RetrainingPlan,
    Schedule,
    schedule_get,
    schedule_list,
    system_schedule_list,
)
from jobs.services import schedule_change, schedule_create, schedule_delete

BATCH, RETRAINING = "batch", "retraining"
_NEEDED = {BATCH: RUN_BATCH, RETRAINING: RUN_TRAINING}


@dataclass(frozen=True, slots=True)
class ShownSchedule:
    """A schedule as pages show it."""

    schedule: Schedule
    mine: bool

    @property
    def what(self) -> str:
        """What it starts, in words."""
        plan = self.schedule.plan
        if isinstance(plan, RetrainingPlan):
            since = "" if plan.feedback_hours is None else f", with feedback of the last {plan.feedback_hours} h"
            return f"train {self.schedule.endpoint}/{plan.algorithm}{since}"
        version = plan.version or "the live version"
        device = f" of {plan.device}" if plan.device else ""
        most = f", the latest {plan.limit:,} rows at most" if plan.limit < MOST_ROWS else ""
        return f"ask {version} of {self.schedule.endpoint} again about the last {plan.hours} h{device}{most}"

    @property
    def came(self) -> str:
        """The address of what it started last; empty where that is not known."""
        latest = self.schedule.latest
        if latest is None or latest.started_id is None:
            return ""
        name, model = ("job", BatchJob) if self.schedule.kind == BATCH else ("run", TrainingRun)
        known = model.objects.filter(pk=latest.started_id).exists()
        return reverse(f"jobs:{name}", args=[latest.started_id]) if known else ""


class SchedulesView(JobsPage):
    """All schedules, with the form that makes one."""

    needs = {"GET": SEE_BATCHES, "POST": RUN_BATCH}

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show them."""
        return self._listed()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make one.

        Raises:
            PermissionDenied: what it starts is not for the user.
        """
        try:
            plan, slug = _plan(request)
            _require(request, BATCH if isinstance(plan, BatchPlan) else RETRAINING)
            made = schedule_create(
                name=given(request, "name"),
                endpoint=endpoint_of(request.user, slug),
                plan=plan,
                actor=request.user.get_username(),
                **_times(request),
            )
        except ForetellError as error:
            return self._listed(str(error), 422)
        messages.success(request, _due(made))
        return HttpResponseRedirect(reverse("jobs:schedules"))

    def _listed(self, problem: str = "", status: int = 200) -> HttpResponse:
        user = self.request.user
        shown = [ShownSchedule(one, _mine(user, one)) for one in schedule_list()]
        return self.show(
            "schedules.html",
            title="Schedules",
            status=status,
            schedules=shown,
            own=system_schedule_list(),
            problem=problem,
            **_offered(user, self.request.POST),
        )


class ScheduleView(JobsPage):
    """One schedule, to be changed."""

    needs = {"GET": SEE_BATCHES, "POST": RUN_BATCH}

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """Show it."""
        return self._form(schedule_get(name=name))

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        """Change it.

        Raises:
            PermissionDenied: it is not the user's to change.
        """
        schedule = schedule_get(name=name)
        if not _mine(request.user, schedule):
            raise PermissionDenied(ELSES)
        try:
            plan, _ = _plan(request, schedule)
            changed = schedule_change(
                schedule=schedule, plan=plan, actor=request.user.get_username(), **_times(request)
            )
        except ForetellError as error:
            return self._form(schedule, str(error), 422)
        messages.success(request, _due(changed))
        return HttpResponseRedirect(reverse("jobs:schedules"))

    def _form(self, schedule: Schedule, problem: str = "", status: int = 200) -> HttpResponse:
        user = self.request.user
        return self.show(
            "schedule.html",
            title=f"Schedule {schedule.name}",
            status=status,
            one=ShownSchedule(schedule, _mine(user, schedule)),
            problem=problem,
            **_offered(user, self.request.POST or _said(schedule), schedule),
        )


class ScheduleActView(JobsPage):
    """Switches a schedule on or off, or takes it away."""

    needs = {"POST": RUN_BATCH}

    def post(self, request: HttpRequest, name: str, action: str) -> HttpResponse:
        """Do it.

        Raises:
            Http404: there is no such thing to do.
            PermissionDenied: it is not the user's to change.
        """
        if action not in ACTIONS:
            raise Http404
        schedule = schedule_get(name=name)
        if not _mine(request.user, schedule):
            raise PermissionDenied(ELSES)
        question = f"Delete {schedule.name}? What it started stays." if action == "delete" else ""
        if page := self.asked_first(question, title="Are you sure?", back=reverse("jobs:schedules")):
            return page
        act, said = ACTIONS[action]
        try:
            act(schedule, request.user.get_username())
        except ForetellError as error:
            messages.warning(request, str(error))
        else:
            messages.success(request, f"{schedule.name} is {said}.")
        return HttpResponseRedirect(reverse("jobs:schedules"))


ACTIONS: dict[str, tuple[Callable[[Schedule, str], Any], str]] = {
    "enable": (lambda schedule, actor: schedule_change(schedule=schedule, actor=actor, enabled=True), "switched on"),
    "disable": (lambda schedule, actor: schedule_change(schedule=schedule, actor=actor, enabled=False), "switched off"),
    "delete": (lambda schedule, actor: schedule_delete(schedule=schedule, actor=actor), "deleted"),
}


def _mine(user: Person, schedule: Schedule) -> bool:
    """Whether somebody may change a schedule: by what it starts, and by whose endpoint it is."""
    return user.has_perm(_NEEDED[schedule.kind]) and may_act_on(user, endpoint_get(slug=schedule.endpoint))


def _require(request: HttpRequest, kind: str) -> None:
    if not request.user.has_perm(_NEEDED[kind]):
        raise PermissionDenied


def _offered(user: Person, values: Any, schedule: Schedule | None = None) -> dict[str, Any]:
    """What the form may choose from. A schedule's own target is among it, also where it could not be chosen now."""
    may_run, may_train = user.has_perm(RUN_BATCH), user.has_perm(RUN_TRAINING)
    batches = answerers(user) if may_run else []
    trainings = trainable(user) if may_train else []
    known = {f"{BATCH}/{choice.value}" for one in batches for choice in one.choices}
    known |= {f"{RETRAINING}/{one['endpoint'].slug}/{name}" for one in trainings for name in one["algorithms"]}
    target = "" if schedule is None else str(_said(schedule)["target"])
    return {
        "may_run": may_run,
        "answerers": batches,
        "algorithms": trainings,
        "most_rows": MOST_ROWS,
        "other": "" if target in known else target,
        "values": values,
    }


def _said(schedule: Schedule) -> dict[str, Any]:
    """A schedule as its form's values."""
    plan, said = schedule.plan, {"crontab": schedule.crontab, "zone": schedule.zone}
    if isinstance(plan, RetrainingPlan):
        target = f"retraining/{schedule.endpoint}/{plan.algorithm}"
        return said | {"target": target, "hours": plan.feedback_hours or "", "reason": plan.reason}
    target = f"batch/{schedule.endpoint}/{plan.version or ''}"
    limit = plan.limit if plan.limit < MOST_ROWS else ""
    return said | {"target": target, "hours": plan.hours, "device": plan.device or "", "limit": limit}


def _plan(request: HttpRequest, schedule: Schedule | None = None) -> tuple[Plan, str]:
    """What a form says is to be started, and the slug of its endpoint.

    Raises:
        BadSchedule: it can't be read, or is another endpoint's than the schedule's.
    """
    kind, _, rest = given(request, "target").partition("/")
    slug, _, name = rest.partition("/")
    if schedule is not None and slug != schedule.endpoint:
        raise BadSchedule(f"A schedule keeps its endpoint, {schedule.endpoint}. Make another one for {slug}.")
    hours = _number(request, "hours")
    if kind == RETRAINING:
        return RetrainingPlan(algorithm=name, feedback_hours=hours, reason=given(request, "reason")), slug
    if kind != BATCH or hours is None:
        raise BadSchedule("Choose what is to be started, and for a batch job how many hours back it looks.")
    limit, device = _number(request, "limit"), device_of(request)
    most = MOST_ROWS if limit is None else limit
    return BatchPlan(hours=hours, version=name or None, device=device, limit=most), slug


def _number(request: HttpRequest, name: str) -> int | None:
    """The whole number in a form's field; None if it is empty.

    Raises:
        BadSchedule: it is none.
    """
    text = given(request, name)
    if text and not (text.isascii() and text.isdecimal() and len(text) < 8):
        raise BadSchedule(f"`{name}` expects a whole number; got {text[:40]!r}.")
    return int(text) if text else None


def _times(request: HttpRequest) -> dict[str, str]:
    return {
        "crontab": given(request, "crontab"),
        "zone": given(request, "zone") or "UTC",
    }


def _due(schedule: Schedule) -> str:
    """A sentence: when a schedule is due next."""
    if not schedule.enabled:
        return f"{schedule.name} is kept, and switched off."
    when = f"next at {schedule.next_at:%Y-%m-%d %H:%M} (UTC)" if schedule.next_at else "never, as it stands"
    return f"{schedule.name} is due {when}."
