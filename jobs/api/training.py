"""Training runs over REST: started, looked at, followed line by line, approved, rejected, cancelled."""

from typing import Any

import msgspec
from django.db.models import QuerySet

from inference.callers import Caller
from inference.engine.errors import InvalidInput, Problem
from inference.http.replies import Reply
from inference.http.requests import Request
from inference.http.views import ExpressView
from jobs import services
from jobs.api import queries, run_schema
from jobs.api.access import actor, endpoint_of, run_of
from jobs.api.bodies import Fields, fields_of
from jobs.api.database import ask
from jobs.api.keys import slot_of
from jobs.api.lists import PARAMETERS, listed
from jobs.api.shown import line_shown, run_shown, run_told
from jobs.errors import IdempotencyMismatch
from jobs.models import TrainingRun

MOST_LINES = 1000
CREATED = 201
_OPEN = (TrainingRun.State.QUEUED, TrainingRun.State.RUNNING)


class TrainingRunsView(ExpressView):
    """The training runs of the credential's endpoints."""

    scopes = ("jobs",)

    def parameters_of(self, method: str) -> tuple[str, ...]:
        """A list is narrowed."""
        return PARAMETERS if method != "POST" else ()

    @run_schema.run_list
    async def get(self, request: Request) -> bytes:
        """List them, the newest first."""
        return await listed(request, "runs", _runs(), TrainingRun.State.values, run_shown)

    @run_schema.run_start
    async def post(self, request: Request) -> Reply:
        """Start one, and answer once it is committed."""
        slot = slot_of(request)
        body = fields_of(await request.body(), "endpoint", "algorithm", "feedback_since", "reason", "repeat")
        shown, new = await ask(request, _started, request, body, slot)
        return Reply(
            body=msgspec.json.encode(shown),
            status=CREATED if new else 200,
            headers=((b"location", f"/api/v1/jobs/training/{shown['id']}/".encode()),),
        )


class TrainingRunView(ExpressView):
    """One training run."""

    scopes = ("jobs",)

    @run_schema.run_detail
    async def get(self, request: Request, id: str) -> bytes:
        """How far it is, what it was made of, and what was measured."""
        return msgspec.json.encode(await ask(request, lambda: run_told(run_of(request.auth, id))))


class TrainingLogView(ExpressView):
    """The log of a training run."""

    scopes = ("jobs",)
    parameters = ("after", "limit")

    @run_schema.run_log
    async def get(self, request: Request, id: str) -> bytes:
        """The lines behind `after`; while the run is not over there may be more."""
        query = request.query()
        after = queries.number(query, "after", default=0, high=10**12 - 1)
        limit = queries.number(query, "limit", default=MOST_LINES, low=1, high=MOST_LINES)
        return msgspec.json.encode(await ask(request, _log, request.auth, id, after, limit))


class TrainingApproveView(ExpressView):
    """The version of a waiting run goes live."""

    scopes = ("admin",)

    @run_schema.run_approve
    async def post(self, request: Request, id: str) -> bytes:
        """Approve it."""
        body = fields_of(await request.body(), "reason", "replacing")
        said = {"reason": body.text("reason", required=True), "replacing": body.text("replacing")}
        return msgspec.json.encode(await ask(request, _decided, services.training_run_approve, request.auth, id, said))


class TrainingRejectView(ExpressView):
    """The version of a waiting run stays published only."""

    scopes = ("admin",)

    @run_schema.run_reject
    async def post(self, request: Request, id: str) -> bytes:
        """Reject it."""
        body = fields_of(await request.body(), "reason")
        said = {"reason": body.text("reason", required=True)}
        return msgspec.json.encode(await ask(request, _decided, services.training_run_reject, request.auth, id, said))


class TrainingCancelView(ExpressView):
    """A run that is not over ends."""

    scopes = ("jobs",)
    needs_body = False

    @run_schema.run_cancel
    async def post(self, request: Request, id: str) -> bytes:
        """Cancel it."""
        body = fields_of(await request.body(), "reason", optional=True)
        said = {"reason": body.text("reason") or ""}
        return msgspec.json.encode(await ask(request, _decided, services.training_run_cancel, request.auth, id, said))


def _runs() -> QuerySet[TrainingRun]:
    return TrainingRun.objects.select_related("endpoint", "champion", "candidate").defer(
        "data", "gate", "report", "endpoint__signature", "champion__manifest", "candidate__manifest"
    )


def _started(request: Request, body: Fields, slot: str) -> tuple[dict[str, Any], bool]:
    caller = request.auth
    algorithm, reason = body.text("algorithm", required=True), body.text("reason", required=True)
    since, repeat = body.moment("feedback_since"), body.text("repeat")
    endpoint = endpoint_of(caller, body.text("endpoint", required=True) or "")
    known = TrainingRun.objects.filter(schedule="", slot=slot).exists() if slot else False
    if repeat and since:
        detail = "`feedback_since` chooses data, and `repeat` has its own. Leave one of them out."
        raise InvalidInput(Problem("unknown_field", ("feedback_since",), detail))
    repeated = run_of(caller, repeat) if repeat else None
    run = services.training_run_start(
        endpoint=endpoint,
        algorithm=algorithm or "",
        actor=actor(caller),
        reason=reason or "",
        feedback_since=since,
        repeated=repeated,
        slot=slot,
        credential_id=caller.credential_id,
    )
    asked = (endpoint.pk, algorithm, reason, repeated.feedback_since if repeated else since)
    if slot and (run.endpoint_id, run.algorithm, run.reason, run.feedback_since) != asked:
        raise IdempotencyMismatch
    return run_told(run), not known


def _log(caller: Caller, id: str, after: int, limit: int) -> dict[str, Any]:
    run = run_of(caller, id)
    lines = [line_shown(line) for line in run.lines.filter(pk__gt=after).order_by("pk")[:limit]]
    return {"lines": lines, "next": lines[-1]["id"] if lines else after, "over": run.state not in _OPEN}


def _decided(decide: Any, caller: Caller, id: str, said: dict[str, Any]) -> dict[str, Any]:
    return run_told(decide(run=run_of(caller, id), actor=actor(caller), **said))
