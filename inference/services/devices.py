"""Devices: enrolled with their first credential, given a new one, switched off and on."""

import datetime
from collections.abc import Iterable

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from inference.errors import AlreadyExists, NotFound
from inference.models import Credential, Device, Endpoint, Scope
from inference.services.control import control_log_write
from inference.services.credentials import Issued, credential_create, credential_retire


@transaction.atomic
def device_create(
    *,
    name: str,
    actor: str,
    endpoints: Iterable[Endpoint] = (),
    scopes: Iterable[str] = (Scope.PREDICT,),
    description: str = "",
    owner: AbstractBaseUser | None = None,
    expires_at: datetime.datetime | None = None,
) -> Issued:
    """Enrol a device and make its first credential.

    Args:
        actor: who does it, for the control log.
        endpoints: the ones it may send to; none = all.

    Raises:
        AlreadyExists: there is a device of that name.
        ValidationError: the name, or a scope, can't be used.
    """
    if Device.objects.filter(name=name).exists():
        raise AlreadyExists(f"Device {name!r}", f"`device rotate {name}` gives it a new credential.")
    device = Device(name=name, description=description, owner=owner)
    device.full_clean()
    device.save()
    after = {"name": name, "description": description, "owner": owner}
    control_log_write(actor=actor, action="device.create", target=device, after=after)
    return credential_create(
        actor=actor, device=device, scopes=scopes, endpoints=endpoints, expires_at=expires_at, created_by=owner
    )


@transaction.atomic
def device_rotate(*, device: Device, overlap_s: float, actor: str) -> Issued:
    """Give a device a new credential with the rights of its newest one; the others end after an overlap.

    Args:
        overlap_s: how long the others stay good, in seconds; 0 revokes them at once.
        actor: who does it, for the control log.

    Raises:
        NotFound: the device never had a credential.
    """
    # Credentials of one device are rotated one rotation at a time.
    Device.objects.select_for_update(no_key=True).get(pk=device.pk)
    now = timezone.now()
    newest = Credential.objects.filter(device=device).order_by("-created_at", "-id").first()
    if newest is None:
        raise NotFound(f"A credential of device {device.name!r}")
    # An old end must not be inherited: a credential that a rotation ended would have a dead heir.
    issued = credential_create(actor=actor, device=device, scopes=newest.scopes, endpoints=newest.endpoints.all())
    still_good = Credential.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), device=device, revoked_at=None)
    for credential in still_good.exclude(pk=issued.credential.pk):
        credential_retire(credential=credential, overlap_s=overlap_s, actor=actor)
    return issued


@transaction.atomic
def device_disable(*, device: Device, actor: str) -> None:
    """Switch a device off: its credentials are refused, and its open sockets close within 5 s."""
    if device.disabled_at is None:
        _switch(device, timezone.now(), "device.disable", actor)


@transaction.atomic
def device_enable(*, device: Device, actor: str) -> None:
    """Let a device in again, with the credentials it has."""
    if device.disabled_at is not None:
        _switch(device, None, "device.enable", actor)


def _switch(device: Device, disabled_at: datetime.datetime | None, action: str, actor: str) -> None:
    before = {"disabled_at": device.disabled_at}
    device.disabled_at = disabled_at
    device.save(update_fields=["disabled_at"])
    control_log_write(actor=actor, action=action, target=device, before=before, after={"disabled_at": disabled_at})
