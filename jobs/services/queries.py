"""Query jobs: what a version would have said to predictions that are stored."""

import datetime
import uuid

from django.contrib.auth.models import AbstractBaseUser

from inference.engine.errors import InvalidInput, Problem
from inference.models import Endpoint, Version
from inference.selectors import version_get
from jobs.models import BatchJob
from jobs.replay.query import MOST_ROWS, Selection
from jobs.services.batch import batch_job_ask

_EARLIEST = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def batch_query_create(
    *,
    endpoint: Endpoint,
    version: Version | None,
    selection: Selection,
    actor: str,
    credential_id: int | None = None,
    user: AbstractBaseUser | None = None,
    schedule: str = "",
    slot: str = "",
    id: uuid.UUID | None = None,
) -> BatchJob:
    """Ask what a version says to stored predictions of its endpoint. When it is done, it has a replay report.

    Args:
        version: which one answers now; None for the endpoint's champion of now.
        selection: which predictions, by what was answered then. Who asks does not learn whether there is a device of
            that name: an unknown one sent nothing.
        schedule, slot: of a schedule: which, and when it was due. A second job of one slot is not made.
        id: the job's, if it is made; by default a new one.

    Returns:
        The job; of a slot that has one already, that one.

    Raises:
        InvalidInput: the times or the limit can't be.
        UnknownEndpoint: the endpoint is retired.
        UnknownVersion: a version, asked now or then, is not the endpoint's.
        ModelUnavailable: no version was named and none is live.
    """
    _check(selection)
    if selection.version is not None:
        version_get(endpoint=endpoint, tag=selection.version)
    return batch_job_ask(
        endpoint=endpoint,
        version=version,
        actor=actor,
        kind=BatchJob.Kind.QUERY,
        format=BatchJob.Format.NDJSON,
        selection=selection.to_dict(),
        credential_id=credential_id,
        user=user,
        schedule=schedule,
        slot=slot,
        **({} if id is None else {"id": id}),
    )


def _check(selection: Selection) -> None:
    problems = []
    if not 1 <= selection.limit <= MOST_ROWS:
        detail = f"`limit` is 1 to {MOST_ROWS:,}; it is {selection.limit:,}."
        problems.append(Problem("out_of_range", ("query", "limit"), detail))
    if selection.since < _EARLIEST:
        detail = f"`since` is 1970 or later; it is {selection.since.isoformat()}."
        problems.append(Problem("out_of_range", ("query", "since"), detail))
    elif selection.since >= selection.until:
        since, until = selection.since.isoformat(), selection.until.isoformat()
        detail = f"`since` must lie before `until`; they are {since} and {until}."
        problems.append(Problem("out_of_range", ("query", "since"), detail))
    if problems:
        raise InvalidInput(*problems)
