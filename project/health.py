"""Whether the process lives, and what it can do right now.

`/livez` says that the event loop turns. `/readyz` looks at what each promise needs and names what is missing, in
fixed sentences that hold no address, name or credential: it is public.
"""

import asyncio
import time
import weakref
from collections.abc import Mapping
from typing import Any

import msgspec
import redis.asyncio
import structlog
from django.conf import settings
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers

from inference.engine.errors import ForetellError
from inference.http.replies import Reply
from inference.http.requests import Request
from inference.http.views import ExpressView
from inference.models import AuditPolicy

logger = structlog.get_logger(__name__)

KEPT_S = 1.0
"""How long one look serves everybody who asks, so that probing costs the database nothing."""
PROBE_S = 2.0
"""How long a server may take to answer; with `KEPT_S` well under the 5 s within which we promise to turn."""
WORKER_SILENT_S = 30
"""A worker not seen for so long counts as gone."""
NEEDED = ("predict", "stream")
"""Without these the process takes no traffic; what else is missing is only told."""

_WORKERS = """
SELECT 1 FROM jobs_worker WHERE queues @> '["batch"]' AND seen_at > now() - make_interval(secs => %s) LIMIT 1
"""
_JOBS_WITHOUT_POSTGRES = "Jobs wait: Postgres does not answer."

Reasons = Mapping[str, str | None]
"""By capability: why it is missing, or None while it is there."""


class Readiness:
    """Looks at what this process's capabilities need, at most once in `KEPT_S`."""

    def __init__(self, predictor: Any) -> None:
        self._predictor = weakref.proxy(predictor)
        self._reasons: Reasons = {}
        self._looked_at_s = float("-inf")
        self._looking: asyncio.Task[Reasons] | None = None
        self._asking: asyncio.Task[bool | None] | None = None

    async def reasons(self) -> Reasons:
        """What is missing now, by capability."""
        if time.monotonic() - self._looked_at_s < KEPT_S:
            return self._reasons
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="readiness")
        return await asyncio.shield(self._looking)

    async def _look(self) -> Reasons:
        predictor = self._predictor
        (audit, workers), redis_away = await asyncio.gather(self._postgres(), _redis())
        catalog = _catalog(predictor)
        predict = catalog or _champions(predictor) or (audit if _stores(predictor) else None)
        self._reasons = {
            "predict": predict,
            "stream": predict,
            "audit": audit,
            "catalog": catalog,
            "models": _models(predictor),
            "batch": redis_away or workers,
        }
        self._looked_at_s = time.monotonic()
        return self._reasons

    async def _postgres(self) -> tuple[str | None, str | None]:
        """Why predictions can't be stored, and why jobs wait: whether the recorder works and Postgres answers now."""
        if not self._predictor.recorder.available:
            return "Predictions can't be stored: Postgres does not take them.", _JOBS_WITHOUT_POSTGRES
        # Not cancelled when it takes too long: psycopg then asks the hanging server to cancel, and waits for that.
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(_worker_lives(self._predictor), name="readiness of Postgres")
        done, _ = await asyncio.wait({self._asking}, timeout=PROBE_S)
        lives = self._asking.result() if done else None
        if lives is None:
            return "Predictions can't be stored: Postgres does not answer.", _JOBS_WITHOUT_POSTGRES
        return None, None if lives else f"Jobs wait: no worker was heard of for {WORKER_SILENT_S} s."


async def _worker_lives(predictor: Any) -> bool | None:
    """What Postgres says: whether a worker that takes batch jobs was heard of; None when Postgres does not answer."""
    try:
        return bool(await predictor.database.fetch(_WORKERS, [WORKER_SILENT_S]))
    except ForetellError:
        return None


_of: "weakref.WeakKeyDictionary[Any, Readiness]" = weakref.WeakKeyDictionary()


def _readiness(predictor: Any) -> Readiness:
    """The one that looks after a process's predictor."""
    if predictor not in _of:
        _of[predictor] = Readiness(predictor)
    return _of[predictor]


def _catalog(predictor: Any) -> str | None:
    return (
        "This process can't see what is live: Postgres did not answer it for a while."
        if predictor.catalog.stale
        else None
    )


def _champions(predictor: Any) -> str | None:
    """Whether any endpoint can answer."""
    endpoints = predictor.catalog.endpoints.values()
    if not endpoints:
        return "There is no endpoint yet: run `manage.py deploy`."
    if all(endpoint.champion is None for endpoint in endpoints):
        return "No endpoint has a version that answers."
    return None


def _models(predictor: Any) -> str | None:
    """Whether every endpoint is answered by the version that is deployed. Which one is not is no public matter."""
    endpoints = predictor.catalog.endpoints.values()
    failing = sum(endpoint.reason is not None for endpoint in endpoints)
    if not failing:
        return None
    return f"{failing} of {len(endpoints)} endpoints can't use their deployed version: `/api/v1/endpoints/` says why."


def _stores(predictor: Any) -> bool:
    """Whether an endpoint answers only what is stored."""
    return any(endpoint.audit == AuditPolicy.STRICT for endpoint in predictor.catalog.endpoints.values())


async def _redis() -> str | None:
    """Whether workers can be woken up: Redis answers."""
    client = redis.asyncio.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=PROBE_S, socket_timeout=PROBE_S, retry=None
    )
    try:
        async with asyncio.timeout(PROBE_S):
            await client.ping()
    except (TimeoutError, OSError, redis.exceptions.RedisError):
        return "Jobs wait: Redis does not answer. They start by themselves once it does."
    finally:
        await client.aclose()
    return None


class LivenessSerializer(serializers.Serializer):
    """A living process."""

    status = serializers.ChoiceField(choices=["alive"])


class CapabilitySerializer(serializers.Serializer):
    """One thing the process can do, or why it can't."""

    ready = serializers.BooleanField()
    reason = serializers.CharField(required=False)


class ReadinessSerializer(serializers.Serializer):
    """What the process can do now."""

    status = serializers.ChoiceField(choices=["ready", "not_ready"])
    capabilities = serializers.DictField(child=CapabilitySerializer())


def shown(reasons: Reasons) -> dict[str, Any]:
    """The body of `/readyz`."""
    return {
        "status": "not_ready" if any(reasons[name] for name in NEEDED) else "ready",
        "capabilities": {
            name: {"ready": True} if reason is None else {"ready": False, "reason": reason}
            for name, reason in reasons.items()
        },
    }


_CAPABILITIES = ("predict", "stream", "audit", "catalog", "models", "batch")
_STARTING = dict.fromkeys(_CAPABILITIES, "The process is still starting.")
_READY = shown(dict.fromkeys(_CAPABILITIES))
_NOT_READY = shown(
    dict.fromkeys(_CAPABILITIES)
    | dict.fromkeys(("predict", "stream", "audit"), "Predictions can't be stored: Postgres does not answer.")
)


class _Probe(ExpressView):
    """A probe asks by whatever host it likes, and needs no credential."""

    authentication_classes = []
    permission_classes = []
    is_probe = True


class LivezView(_Probe):
    """Whether the process lives."""

    @extend_schema(
        operation_id="livez",
        tags=["health"],
        summary="Is the process alive?",
        responses={200: LivenessSerializer},
        examples=[OpenApiExample("alive", {"status": "alive"}, response_only=True)],
        auth=[],
    )
    async def get(self, request: Request) -> bytes:
        """Say so; whoever reads this knows."""
        return b'{"status":"alive"}'


class ReadyzView(_Probe):
    """What the process can do now."""

    @extend_schema(
        operation_id="readyz",
        tags=["health"],
        summary="What can the process do now?",
        responses={
            200: OpenApiResponse(
                ReadinessSerializer,
                description="It can predict and take streams.",
                examples=[OpenApiExample("ready", _READY, response_only=True)],
            ),
            503: OpenApiResponse(
                ReadinessSerializer,
                description="It can't; each missing capability says why.",
                examples=[OpenApiExample("not ready", _NOT_READY, response_only=True)],
            ),
        },
        auth=[],
    )
    async def get(self, request: Request) -> Reply:
        """Look, and say what is missing."""
        predictor = request.scope.get("foretell.predictor")
        reasons = _STARTING if predictor is None else await _readiness(predictor).reasons()
        body = shown(reasons)
        ready = body["status"] == "ready"
        return Reply(
            body=msgspec.json.encode(body),
            status=200 if ready else 503,
            headers=() if ready else ((b"retry-after", b"2"),),
        )
