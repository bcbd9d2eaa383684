"""Credentials: made, rotated, revoked. The token is told once, to whoever asked for it, and kept nowhere."""

import datetime
from collections.abc import Iterable
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from inference.models import Credential, Device, Endpoint, Scope
from inference.services.control import control_log_write
from inference.tokens import new_secret


class Issued(NamedTuple):
    """A new credential and its token, which can't be told again."""

    credential: Credential
    token: str


@transaction.atomic
def credential_create(
    *,
    actor: str,
    device: Device | None = None,
    service: str = "",
    scopes: Iterable[str],
    endpoints: Iterable[Endpoint] = (),
    expires_at: datetime.datetime | None = None,
    created_by: AbstractBaseUser | None = None,
) -> Issued:
    """Make a credential of a device, or of a service by its name.

    Args:
        actor: who does it, for the control log.
        endpoints: the ones it may use; none = all.

    Raises:
        ValidationError: both or neither of device and service, no scope, or one that is not known.
    """
    scopes = sorted(set(scopes))
    if (device is None) == (service == ""):
        raise ValidationError("A credential is of a device, or of a service with a name: say one of the two.")
    if not scopes or set(scopes) - set(Scope.values):
        unknown = ", ".join(repr(scope) for scope in scopes if scope not in Scope.values) or "Nothing"
        raise ValidationError(f"{unknown} is no scope. Choose of {', '.join(Scope.values)}.")
    token, prefix, sha256 = new_secret()
    credential = Credential(
        prefix=prefix,
        secret_sha256=sha256,
        device=device,
        service=service,
        scopes=scopes,
        expires_at=expires_at,
        created_by=created_by,
    )
    credential.full_clean()
    credential.save()
    credential.endpoints.set(endpoints)
    after = {"scopes": scopes, "endpoints": credential.endpoints.all(), "expires_at": expires_at}
    control_log_write(actor=actor, action="credential.create", target=credential, after=after)
    return Issued(credential, token)


@transaction.atomic
def credential_rotate(
    *, credential: Credential, overlap_s: float, actor: str, expires_at: datetime.datetime | None = None
) -> Issued:
    """Make a credential with the same rights; the old one ends after an overlap, or at its own end if that is sooner.

    Args:
        overlap_s: how long both are good, in seconds; 0 revokes the old one at once.
        actor: who does it, for the control log.
        expires_at: when the new one ends; None = when the old one would have.

    Raises:
        ValidationError: the credential is over: what was taken away must not come back under another name.
    """
    # Locked, so that two rotations at once make a chain and not two heirs with the old one's full life.
    old = Credential.objects.select_for_update(of=("self",)).get(pk=credential.pk)
    if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= timezone.now()):
        raise ValidationError(f"{old} is over, so it has no rights to hand on. Create another one.")
    issued = credential_create(
        actor=actor,
        device=old.device,
        service=old.service,
        scopes=old.scopes,
        endpoints=old.endpoints.all(),
        expires_at=expires_at or old.expires_at,
    )
    credential_retire(credential=old, overlap_s=overlap_s, actor=actor)
    return issued


@transaction.atomic
def credential_retire(*, credential: Credential, overlap_s: float, actor: str) -> None:
    """End a credential after `overlap_s` seconds, never later than it would end anyway; 0 revokes it."""
    if overlap_s <= 0:
        credential_revoke(credential=credential, actor=actor)
        return
    end = timezone.now() + datetime.timedelta(seconds=overlap_s)
    if credential.expires_at is None or credential.expires_at > end:
        before = {"expires_at": credential.expires_at}
        credential.expires_at = end
        credential.save(update_fields=["expires_at"])
        control_log_write(
            actor=actor, action="credential.retire", target=credential, before=before, after={"expires_at": end}
        )


@transaction.atomic
def credential_revoke(*, credential: Credential, actor: str, reason: str = "") -> None:
    """End a credential for good. Its open sockets close within 5 s."""
    if credential.revoked_at is None:
        credential.revoked_at = timezone.now()
        credential.save(update_fields=["revoked_at"])
        control_log_write(
            actor=actor,
            action="credential.revoke",
            target=credential,
            before={"revoked_at": None},
            after={"revoked_at": credential.revoked_at},
            reason=reason,
        )
