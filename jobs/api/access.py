"""What a credential may see and start: the jobs of its endpoints. All else is as if it were not there."""

from contextlib import suppress
from dataclasses import dataclass

from django.db.models import QuerySet

from inference.callers import Caller
from inference.engine.errors import ModelUnavailable
from inference.engine.signature import Signature
from inference.errors import NotFound, UnknownEndpoint
from inference.models import Deployment, Endpoint, Role, Version
from inference.selectors import endpoint_get, version_get
from jobs.api import queries
from jobs.models import BatchJob, TrainingRun
from jobs.schedules.rows import Schedule, schedule_get


@dataclass(frozen=True, slots=True)
class Target:
    """What shall answer: an endpoint, one of its versions, and the columns that it asks for.

    `version` is the one that was named, or the champion of the moment of asking.
    """

    endpoint: Endpoint
    version: Version

    @property
    def signature(self) -> Signature:
        """What the version asks and answers."""
        return Signature.from_dict(self.version.manifest["signature"])


def actor(caller: Caller) -> str:
    """Who a credential speaks for, in words."""
    return f"service:{caller.service}" if caller.device is None else f"device:{caller.device}"


def endpoint_of(caller: Caller, slug: str) -> Endpoint:
    """An endpoint of a caller's.

    Raises:
        UnknownEndpoint: it is none of them, is retired, or there is none.
    """
    if not caller.may_use(slug):
        raise UnknownEndpoint(slug)
    endpoint = endpoint_get(slug=slug)
    if endpoint.retired_at is not None:
        raise UnknownEndpoint(slug)
    return endpoint


def target_of(caller: Caller, slug: str, tag: str | None) -> Target:
    """What a caller wants to have answered, by which version.

    Raises:
        UnknownEndpoint, UnknownVersion: there is none that the caller may use.
        ModelUnavailable: no version was named and none is live.
    """
    endpoint = endpoint_of(caller, slug)
    if tag is not None:
        return Target(endpoint, version_get(endpoint=endpoint, tag=tag))
    champions = Deployment.objects.filter(endpoint=endpoint, role=Role.CHAMPION, ended_at=None)
    champion = champions.select_related("version__endpoint").first()
    if champion is None:
        raise ModelUnavailable(f"Endpoint {slug!r}", "no version is live")
    return Target(endpoint, champion.version)


def seen(caller: Caller, rows: QuerySet) -> QuerySet:
    """Those of some rows that belong to a caller's endpoints."""
    return rows if caller.endpoints is None else rows.filter(endpoint__slug__in=caller.endpoints)


def run_of(caller: Caller, id: str) -> TrainingRun:
    """A training run that a caller may see.

    Raises:
        NotFound: there is none.
    """
    runs = TrainingRun.objects.select_related("endpoint", "champion", "candidate")
    found = seen(caller, runs).filter(pk=queries.id_of(id, "This run")).first()
    if found is None:
        raise NotFound("This run")
    return found


def schedule_of(caller: Caller, name: str) -> Schedule:
    """A schedule that a caller may see.

    Raises:
        NotFound: there is none.
    """
    with suppress(NotFound):
        found = schedule_get(name=name)
        if caller.may_use(found.endpoint):
            return found
    raise NotFound("This schedule")


def job_of(caller: Caller, id: str) -> BatchJob:
    """A batch job that a caller may see.

    Raises:
        NotFound: there is none.
    """
    jobs = BatchJob.objects.select_related("endpoint", "version")
    job = seen(caller, jobs).filter(pk=queries.id_of(id, "This job")).first()
    if job is None:
        raise NotFound("This job")
    return job
