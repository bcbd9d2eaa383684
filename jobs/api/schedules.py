"""Schedules over REST: made, looked at, changed, taken away."""

from typing import Any

import msgspec

from inference.engine.errors import InvalidInput, Problem
from inference.engine.inputs import clipped
from inference.http.replies import Reply
from inference.http.requests import Request
from inference.http.views import ExpressView
from jobs import services
from jobs.api import run_schema
from jobs.api.access import actor, endpoint_of, schedule_of
from jobs.api.bodies import Fields, fields_of
from jobs.api.database import ask
from jobs.api.shown import schedule_shown
from jobs.replay.query import MOST_ROWS
from jobs.schedules.rows import BatchPlan, Plan, RetrainingPlan, schedule_list
from jobs.services.schedules import MOST_HOURS

CREATED = 201
_PLANS = {
    "retraining": ("kind", "algorithm", "feedback_hours", "reason"),
    "batch": ("kind", "hours", "version", "device", "limit"),
}


class SchedulesView(ExpressView):
    """The schedules of the credential's endpoints."""

    scopes = ("jobs",)

    @run_schema.schedule_list
    async def get(self, request: Request) -> bytes:
        """List them by name."""
        return msgspec.json.encode({"schedules": await ask(request, _listed, request)})

    @run_schema.schedule_create
    async def post(self, request: Request) -> Reply:
        """Make one; its first slot is the next one that is due."""
        body = fields_of(await request.body(), "name", "endpoint", "plan", "crontab", "zone", "enabled")
        shown = await ask(request, _made, request, body)
        return Reply(
            body=msgspec.json.encode(shown),
            status=CREATED,
            headers=((b"location", f"/api/v1/jobs/schedules/{shown['name']}/".encode()),),
        )


class ScheduleView(ExpressView):
    """One schedule."""

    scopes = ("jobs",)

    @run_schema.schedule_detail
    async def get(self, request: Request, name: str) -> bytes:
        """When it is due, and what came of its latest slot."""
        return msgspec.json.encode(await ask(request, lambda: schedule_shown(schedule_of(request.auth, name))))

    @run_schema.schedule_change
    async def patch(self, request: Request, name: str) -> bytes:
        """Change what the body says; the rest stays."""
        body = fields_of(await request.body(), "plan", "crontab", "zone", "enabled")
        return msgspec.json.encode(await ask(request, _changed, request, name, body))

    @run_schema.schedule_delete
    async def delete(self, request: Request, name: str) -> bytes:
        """Take it away, and say once more what it was. What it started stays."""
        return msgspec.json.encode(await ask(request, _deleted, request, name))


def _listed(request: Request) -> list[dict[str, Any]]:
    return [schedule_shown(one) for one in schedule_list(endpoints=request.auth.endpoints)]


def _made(request: Request, body: Fields) -> dict[str, Any]:
    name, crontab = body.text("name", required=True), body.text("crontab", required=True)
    plan, slug = _plan(body, required=True), body.text("endpoint", required=True)
    zone, enabled = body.text("zone"), body.truth("enabled")
    assert plan is not None
    made = services.schedule_create(
        name=name or "",
        endpoint=endpoint_of(request.auth, slug or ""),
        plan=plan,
        crontab=crontab or "",
        actor=actor(request.auth),
        zone=zone or "UTC",
        enabled=enabled is not False,
    )
    return schedule_shown(made)


def _changed(request: Request, name: str, body: Fields) -> dict[str, Any]:
    changed = services.schedule_change(
        schedule=schedule_of(request.auth, name),
        actor=actor(request.auth),
        plan=_plan(body, required=False),
        crontab=body.text("crontab"),
        zone=body.text("zone"),
        enabled=body.truth("enabled"),
    )
    return schedule_shown(changed)


def _deleted(request: Request, name: str) -> dict[str, Any]:
    schedule = schedule_of(request.auth, name)
    services.schedule_delete(schedule=schedule, actor=actor(request.auth))
    return schedule_shown(schedule)


def _plan(body: Fields, *, required: bool) -> Plan | None:
    """What a schedule is to start; its `kind` says which fields there are.

    Raises:
        InvalidInput: it can't be read.
    """
    every = {name for names in _PLANS.values() for name in names}
    said = body.inner("plan", *sorted(every), required=required)
    if said is None:
        return None
    kind = said.text("kind", required=True)
    if kind not in _PLANS:
        detail = f"`kind` expects one of {', '.join(_PLANS)}; got {clipped(kind)}."
        raise InvalidInput(Problem("wrong_type", ("plan", "kind"), detail))
    plan = body.inner("plan", *_PLANS[kind])
    assert plan is not None
    if kind == "retraining":
        return RetrainingPlan(
            algorithm=plan.text("algorithm", required=True) or "",
            feedback_hours=plan.whole("feedback_hours", low=1, high=MOST_HOURS),
            reason=plan.text("reason") or "",
        )
    hours = plan.whole("hours", low=1, high=MOST_HOURS, required=True)
    assert hours is not None
    return BatchPlan(
        hours=hours,
        version=plan.text("version"),
        device=plan.text("device"),
        limit=plan.whole("limit", low=1, high=MOST_ROWS) or MOST_ROWS,
    )
