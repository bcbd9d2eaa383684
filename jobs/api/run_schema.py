"""What the OpenAPI document says of training runs and schedules."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from inference.api.schema import ANYONE, CALLER, VERSION, answer, operation, problems
from inference.engine.errors import InvalidInput, Problem
from inference.errors import AlreadyExists, EndpointRetired, NotFound, SignatureMismatch, UnknownEndpoint
from inference.http import errors as http
from jobs.api import run_serializers as serializers
from jobs.api.schema import UNREADABLE, key, narrowed
from jobs.errors import BadSchedule, ChampionChanged, GateFailed, IdempotencyMismatch, JobState, RunInProgress
from jobs.models import TrainingRun

RUN_ID = "019ab3f2-9c40-7a01-8a55-6d9a1c3e7b20"
NEW_VERSION = "random_forest-1.0.1"
_NO_RUN, _NO_SCHEDULE = NotFound("This run"), NotFound("This schedule")
_BODY = (
    *UNREADABLE,
    InvalidInput(Problem("wrong_type", ("reason",), "`reason` expects a text; got nothing.")),
)
_RUN = {
    "id": RUN_ID,
    "endpoint": "shuttle-fault",
    "algorithm": "random_forest",
    "policy": "approve",
    "state": "waiting",
    "step": "promote",
    "reason": "a week of feedback",
    "feedback_since": "2026-11-15T00:00:00Z",
    "champion": VERSION,
    "candidate": NEW_VERSION,
    "code": None,
    "detail": "the endpoint's policy asks for it.",
    "decided_by": None,
    "created_at": "2026-11-22T14:00:00Z",
    "created_by": "service:nightly",
    "schedule": None,
    "started_at": "2026-11-22T14:00:01Z",
    "finished_at": None,
}
_TOLD = _RUN | {
    "data": {"sha256": "0f" * 32, "rows": {"base": 49097, "feedback": 812}},
    "gate": {
        "verdicts": [
            {
                "rule": "minimum",
                "bound": 0.98,
                "value": 0.998,
                "passed": True,
                "detail": "balanced_accuracy on the held-out rows",
            }
        ]
    },
    "report": {"candidate": {"metrics": {"balanced_accuracy": 0.998}}},
}
_QUEUED = (
    _TOLD
    | {"state": "queued", "step": "select", "candidate": None, "detail": None, "started_at": None}
    | {
        "data": {},
        "gate": {},
        "report": {},
    }
)
_SCHEDULE = {
    "name": "nightly-retraining",
    "endpoint": "shuttle-fault",
    "plan": {"kind": "retraining", "algorithm": "random_forest", "feedback_hours": 168, "reason": "every night"},
    "crontab": "30 2 * * *",
    "zone": "Europe/Berlin",
    "enabled": True,
    "next_at": "2026-11-23T01:30:00Z",
    "latest": {
        "slot": "2026-11-22T02:30 Europe/Berlin",
        "due_at": "2026-11-22T01:30:00Z",
        "started": RUN_ID,
        "code": None,
        "detail": None,
    },
    "created_by": "service:nightly",
    "since": "2026-11-01T09:00:00Z",
}


def _decision(name: str, summary: str, said: str, serializer: Any, state: str, *refusals: Any) -> Any:
    return operation(
        f"jobs_training_{name}",
        summary,
        {200: answer(serializers.RunToldSerializer, said, _TOLD | {"state": state, "decided_by": "service:nightly"})}
        | problems(*ANYONE, *CALLER, _NO_RUN, *refusals, *_BODY),
        request={"application/json": serializer},
    )


run_list = operation(
    "jobs_training_list",
    "The training runs of this credential's endpoints",
    {200: answer(serializers.RunsSerializer, "The newest first.", {"runs": [_RUN], "next": RUN_ID})}
    | problems(*ANYONE, *CALLER, http.BadPage("limit", "a whole number from 1 to 200", "-1")),
    parameters=narrowed("runs", TrainingRun.State.values),
)

run_start = operation(
    "jobs_training_start",
    "Ask for a retraining",
    {
        201: answer(serializers.RunToldSerializer, "It is committed; `Location` has its address.", _QUEUED),
        200: answer(serializers.RunToldSerializer, "The same request made it before.", _TOLD),
    }
    | problems(
        *ANYONE,
        *CALLER,
        http.BadIdempotencyKey(),
        UnknownEndpoint("shutle-fault"),
        NotFound("An algorithm 'forest' with a version that fits shuttle-fault"),
        RunInProgress(UUID(RUN_ID)),
        IdempotencyMismatch(),
        *_BODY,
    ),
    parameters=[key("run")],
    request={"application/json": serializers.RunStartSerializer},
    examples=[
        OpenApiExample(
            "with a week of feedback",
            {
                "endpoint": "shuttle-fault",
                "algorithm": "random_forest",
                "feedback_since": "2026-11-15T00:00:00Z",
                "reason": "a week of feedback",
            },
            request_only=True,
        )
    ],
)

run_detail = operation(
    "jobs_training_read",
    "A training run, its data, and what was measured",
    {200: answer(serializers.RunToldSerializer, "Ask again as often as you like.", _TOLD)}
    | problems(*ANYONE, *CALLER, _NO_RUN),
)

run_log = operation(
    "jobs_training_log",
    "The log of a training run, also while it runs",
    {
        200: answer(
            serializers.LogSerializer,
            "The lines behind `after`.",
            {"lines": [{"id": 41, "at": "2026-11-22T14:00:01Z", "text": "selecting data"}], "next": 41, "over": False},
        )
    }
    | problems(*ANYONE, *CALLER, http.BadPage("after", "a whole number", "x"), _NO_RUN),
    parameters=[
        OpenApiParameter("after", int, description="Lines behind this one: the `next` of the answer before."),
        OpenApiParameter("limit", int, description="1 to 1000, by default 1000."),
    ],
)

run_approve = _decision(
    "approve",
    "Make the version of a waiting run live",
    "It is live within 2 s.",
    serializers.ApprovalSerializer,
    "deployed",
    GateFailed(["minimum"]),
    JobState("approved", "running", ["waiting"]),
    ChampionChanged("ridge-1.0.2", "ridge-1.0.0"),
    EndpointRetired("shuttle-fault"),
    SignatureMismatch("shuttle-fault", NEW_VERSION),
)
run_reject = _decision(
    "reject",
    "Decide against the version of a waiting run",
    "It stays published, and does not go live.",
    serializers.ReasonSerializer,
    "rejected",
    JobState("rejected", "running", ["waiting"]),
)
run_cancel = _decision(
    "cancel",
    "End a training run that is not over",
    "Its process is ended; nothing of it goes live.",
    serializers.CancelSerializer,
    "cancelled",
    JobState("cancelled", "deployed", ["queued", "running"]),
)

schedule_list = operation(
    "jobs_schedules_list",
    "The schedules of this credential's endpoints",
    {200: answer(serializers.SchedulesSerializer, "By name.", {"schedules": [_SCHEDULE]})} | problems(*ANYONE, *CALLER),
)

_REFUSALS = (
    BadSchedule("A crontab has five fields; '* * *' has 3."),
    UnknownEndpoint("shutle-fault"),
    EndpointRetired("shuttle-fault"),
)

schedule_create = operation(
    "jobs_schedules_create",
    "Make a schedule: of a retraining, or of a query over stored predictions",
    {201: answer(serializers.ScheduleSerializer, "Its first slot is the next one that is due.", _SCHEDULE)}
    | problems(*ANYONE, *CALLER, *_REFUSALS, AlreadyExists("Schedule 'nightly'", "Choose another name."), *_BODY),
    request={"application/json": serializers.ScheduleMakeSerializer},
    examples=[
        OpenApiExample(
            "each night at half past two",
            {name: _SCHEDULE[name] for name in ("name", "endpoint", "plan", "crontab", "zone")},
            request_only=True,
        ),
        OpenApiExample(
            "each morning, what would 1.1.0 have said yesterday?",
            {
                "name": "yesterday",
                "endpoint": "shuttle-fault",
                "plan": {"kind": "batch", "hours": 24, "version": VERSION},
                "crontab": "0 6 * * *",
            },
            request_only=True,
        ),
    ],
)

schedule_detail = operation(
    "jobs_schedules_read",
    "A schedule: when it is due, and what came of its latest slot",
    {200: answer(serializers.ScheduleSerializer, "As it stands.", _SCHEDULE)}
    | problems(*ANYONE, *CALLER, _NO_SCHEDULE),
)

schedule_change = operation(
    "jobs_schedules_change",
    "Change a schedule",
    {200: answer(serializers.ScheduleSerializer, "Under other times it begins anew from now.", _SCHEDULE)}
    | problems(*ANYONE, *CALLER, _NO_SCHEDULE, *_REFUSALS, *_BODY),
    request={"application/json": serializers.ScheduleChangeSerializer},
    examples=[OpenApiExample("stop it for now", {"enabled": False}, request_only=True)],
)

schedule_delete = operation(
    "jobs_schedules_delete",
    "Take a schedule away",
    {200: answer(serializers.ScheduleSerializer, "As it was. What it started stays.", _SCHEDULE)}
    | problems(*ANYONE, *CALLER, _NO_SCHEDULE),
)
