"""Reads of the registry and of the records, for commands and pages. Serving reads through the catalog instead."""

import datetime
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Exists, F, Min, OuterRef, QuerySet, Sum
from django.db.models.functions import Now
from django.utils import timezone

from inference import ids
from inference.errors import NotFound, UnknownEndpoint, UnknownVersion
from inference.models import Credential, Device, Endpoint, Feedback, Prediction, Presence, Rejection, Version
from inference.presence import SILENT_AFTER_S

RECENT_S = 10
"""The window of live rates: short enough to be counted while thousands of predictions a second arrive."""

MOST_VERSIONS = 100
DEVICE_DAYS = 7
"""How far back a device's latest prediction is looked for: a look-up in each day's partition."""
REJECTED_HOURS = 24

_TAG = re.compile(r"(?P<algorithm>[a-z0-9][a-z0-9_.-]*)-(?P<major>\d{1,9})\.(?P<minor>\d{1,9})\.(?P<patch>\d{1,9})")


_LATEST = """
SELECT asked.id, p.id, v.algorithm || '-' || v.major || '.' || v.minor || '.' || v.patch, e.slug
FROM unnest(%s::bigint[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT id, version_id, endpoint_id FROM inference_prediction
    WHERE device_id = asked.id AND id >= %s ORDER BY id DESC LIMIT 1
) p
JOIN inference_version v ON v.id = p.version_id
JOIN inference_endpoint e ON e.id = p.endpoint_id
"""
_RATES = """
SELECT device_id, count(*) FROM inference_prediction WHERE device_id = ANY(%s) AND id >= %s GROUP BY device_id
"""


@dataclass(frozen=True, slots=True)
class DeviceActivity:
    """What a device did lately: its latest stored prediction's time, version and endpoint, None for none.

    `predictions_per_s` is of the last `RECENT_S` seconds; `rejected` counts readings refused in `REJECTED_HOURS` hours.
    `sockets` are open now, in all processes together; `connected_at` is since when it has any without a break.
    """

    seen_at: datetime.datetime | None
    version: str | None
    endpoint: str | None
    predictions_per_s: float = 0.0
    rejected: int = 0
    sockets: int = 0
    connected_at: datetime.datetime | None = None


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


def version_list(*, endpoint: Endpoint) -> list[Version]:
    """An endpoint's versions, by algorithm, the newest first, at most `MOST_VERSIONS`.

    Of their manifests, which are long, only `metrics` and `runtime` are read.
    """
    brief = endpoint.versions.defer("manifest").annotate(metrics=F("manifest__metrics"), runtime=F("manifest__runtime"))
    return list(brief[:MOST_VERSIONS])


def device_get(*, name: str) -> Device:
    """The device of that name.

    Raises:
        NotFound: there is none.
    """
    device = Device.objects.filter(name=name).first()
    if device is None:
        raise NotFound(f"Device {name!r}")
    return device


def device_activity(*, devices: Sequence[int]) -> dict[int, DeviceActivity]:
    """What devices do, by their primary key; one that did nothing within `DEVICE_DAYS` days and is away is left out."""
    now = timezone.now()
    rejected = Rejection.objects.filter(device__in=devices, hour__gte=now - datetime.timedelta(hours=REJECTED_HOURS))
    refused = dict(rejected.order_by().values_list("device").annotate(Sum("count")))
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, [list(devices), ids.floor(now - datetime.timedelta(days=DEVICE_DAYS))])
        latest = {device: (ids.time_of(id_), tag, slug) for device, id_, tag, slug in cursor.fetchall()}
        cursor.execute(_RATES, [list(devices), ids.floor(now - datetime.timedelta(seconds=RECENT_S))])
        counts = dict(cursor.fetchall())
    connected = {
        device: (sockets, since)
        for device, sockets, since in _presence()
        .filter(device__in=devices)
        .values_list("device")
        .annotate(Sum("sockets"), Min("since"))
    }
    activity = {}
    for device in latest.keys() | refused.keys() | connected.keys():
        seen_at, version, endpoint = latest.get(device, (None, None, None))
        sockets, since = connected.get(device, (0, None))
        rate = counts.get(device, 0) / RECENT_S
        activity[device] = DeviceActivity(seen_at, version, endpoint, rate, refused.get(device, 0), sockets, since)
    return activity


def devices_connected(*, devices: QuerySet[Device], are: bool) -> QuerySet[Device]:
    """Of these devices, the ones that have a socket open now in some process, or the others."""
    open_now = Exists(_presence().filter(device=OuterRef("pk")))
    return devices.filter(open_now if are else ~open_now)


def _presence() -> QuerySet[Presence]:
    """What processes that live say of open sockets."""
    return Presence.objects.filter(process__heard_at__gt=Now() - datetime.timedelta(seconds=SILENT_AFTER_S))


def device_rejections(*, device: Device) -> list[tuple[str, str, int]]:
    """Endpoint, code and number of a device's refused readings in the last `REJECTED_HOURS` hours."""
    since = timezone.now() - datetime.timedelta(hours=REJECTED_HOURS)
    rows = Rejection.objects.filter(device=device, hour__gte=since).order_by("endpoint__slug", "code")
    return list(rows.values_list("endpoint__slug", "code").annotate(Sum("count")))


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


def predictions_live(*, within_s: float) -> bool:
    """Whether a prediction of the last so many seconds is stored. Clocks that differ by more make it a guess."""
    since = timezone.now() - datetime.timedelta(seconds=within_s)
    return Prediction.objects.filter(pk__gte=ids.floor(since)).exists()


def feedback_of(*, prediction: Prediction) -> list[Feedback]:
    """What was said of a prediction: source by source, each source's revisions in their order; the last one counts."""
    return list(Feedback.objects.filter(prediction=prediction).order_by("source", "revision"))
