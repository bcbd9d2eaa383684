"""Reads of the registry and of the records, for commands and pages. Serving reads through the catalog instead."""

import datetime
import re
import uuid
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from inference import ids
from inference.errors import NotFound, UnknownEndpoint, UnknownVersion
from inference.models import Credential, Device, Endpoint, Feedback, Prediction, Role, Version

RECENT_S = 10
"""The window of live rates: short enough to be counted while thousands of predictions a second arrive."""

_TAG = re.compile(r"(?P<algorithm>[a-z0-9][a-z0-9_.-]*)-(?P<major>\d{1,9})\.(?P<minor>\d{1,9})\.(?P<patch>\d{1,9})")


@dataclass(frozen=True, slots=True)
class EndpointActivity:
    """What an endpoint does now: its champion's tag (None if none), and predictions and failures a second."""

    slug: str
    name: str
    champion: str | None
    predictions_per_s: float
    failures_per_s: float


def endpoint_get(*, slug: str) -> Endpoint:
    """The endpoint of that slug, retired or not.

    Raises:
        UnknownEndpoint: there is none.
    """
    endpoint = Endpoint.objects.filter(slug=slug).first()
    if endpoint is None:
        raise UnknownEndpoint(slug)
    return endpoint


def version_get(*, endpoint: Endpoint, tag: str) -> Version:
    """The endpoint's version of that tag, `random_forest-1.0.0`.

    Raises:
        UnknownVersion: it has none.
    """
    match = _TAG.fullmatch(tag)
    version = endpoint.versions.select_related("endpoint").filter(**match.groupdict()).first() if match else None
    if version is None:
        raise UnknownVersion(endpoint.slug, tag)
    return version


def device_get(*, name: str) -> Device:
    """The device of that name.

    Raises:
        NotFound: there is none.
    """
    device = Device.objects.filter(name=name).first()
    if device is None:
        raise NotFound(f"Device {name!r}")
    return device


def credential_get(*, prefix: str) -> Credential:
    """The credential of that prefix, with or without `ft_` before it.

    Raises:
        NotFound: there is none.
    """
    credential = Credential.objects.filter(prefix=prefix.removeprefix("ft_")).first()
    if credential is None:
        raise NotFound(f"A credential with the prefix {prefix[:16]!r}")
    return credential


def prediction_get(*, id: str) -> Prediction:
    """The stored prediction of that id.

    Raises:
        NotFound: there is none, or none any more.
    """
    try:
        found = Prediction.objects.select_related("version__endpoint", "device").filter(pk=uuid.UUID(id)).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound(f"Prediction {id[:64]!r}")
    return found


def prediction_since(*, moment: datetime.datetime) -> QuerySet[Prediction]:
    """Predictions from a moment on, the newest first. Bounded by id, so that only its partitions are read."""
    related = Prediction.objects.select_related("endpoint", "version", "device")
    return related.filter(pk__gte=ids.floor(moment)).order_by("-id")


def feedback_of(*, prediction: Prediction) -> list[Feedback]:
    """What was said of a prediction: source by source, each source's revisions in their order; the last one counts."""
    return list(Feedback.objects.filter(prediction=prediction).order_by("source", "revision"))


def endpoint_activity() -> list[EndpointActivity]:
    """What each endpoint that is not retired does now."""
    counts = _counts(timezone.now() - datetime.timedelta(seconds=RECENT_S))
    champions = Version.objects.filter(deployments__role=Role.CHAMPION, deployments__ended_at=None)
    tags = {version.endpoint_id: version.tag for version in champions.defer("manifest")}
    activity = []
    for endpoint in Endpoint.objects.filter(retired_at=None).defer("signature"):
        predictions, failures = counts.get(endpoint.pk, (0, 0))
        activity.append(
            EndpointActivity(
                slug=endpoint.slug,
                name=endpoint.name,
                champion=tags.get(endpoint.pk),
                predictions_per_s=predictions / RECENT_S,
                failures_per_s=failures / RECENT_S,
            )
        )
    return activity


def _counts(moment: datetime.datetime) -> dict[int, tuple[int, int]]:
    """Rows and failed rows by endpoint since a moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT endpoint_id, count(*), count(error) FROM inference_prediction WHERE id >= %s GROUP BY endpoint_id",
            [ids.floor(moment)],
        )
        return {endpoint_id: (rows, failed) for endpoint_id, rows, failed in cursor.fetchall()}
