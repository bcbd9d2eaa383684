"""What is live: one version after another answers an endpoint, and each change stays in the history."""

from django.db import transaction
from django.utils import timezone

from inference.errors import EndpointRetired, SignatureMismatch, UnknownVersion
from inference.models import Deployment, Endpoint, Role, Version
from inference.services.control import control_log_write


@transaction.atomic
def version_deploy(*, endpoint: Endpoint, version: Version, actor: str, reason: str, major: bool = False) -> Deployment:
    """Make a version the endpoint's champion from now on. Rolling back is the same with an earlier version.

    The open champion's row ends and a new one opens, both or neither. A version that is champion already stays so,
    and nothing is written.

    Args:
        actor: who does it: a user's name, or the command.
        reason: why, for whoever reads the history.
        major: deploy it although its inputs or outputs are others than the endpoint has now.

    Returns:
        The open row of the version.

    Raises:
        UnknownVersion: the version is another endpoint's.
        EndpointRetired: the endpoint answers no more.
        SignatureMismatch: its inputs or outputs differ and `major` was not said.
    """
    # Two deployments of one endpoint take turns. `no_key`: rows that only refer to the endpoint don't wait.
    endpoint = Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    if version.endpoint_id != endpoint.pk:
        raise UnknownVersion(endpoint.slug, version.tag)
    if endpoint.retired_at is not None:
        raise EndpointRetired(endpoint.slug)
    if version.signature_digest != endpoint.signature_digest and not major:
        raise SignatureMismatch(endpoint.slug, version.tag)
    opened = Deployment.objects.filter(endpoint=endpoint, ended_at=None)
    champion = opened.filter(role=Role.CHAMPION).first()
    if champion is not None and champion.version_id == version.pk:
        return champion
    now = timezone.now()
    for ending in opened.filter(role=Role.CHAMPION) | opened.filter(version=version):
        # A clock that stepped back must not end a deployment before it started.
        now = max(now, ending.started_at)
        ending.ended_at = now
        ending.save(update_fields=["ended_at"])
    if version.signature_digest != endpoint.signature_digest:
        endpoint.signature = version.manifest["signature"]
        endpoint.signature_digest = version.signature_digest
        endpoint.save(update_fields=["signature", "signature_digest"])
    deployment = Deployment.objects.create(
        endpoint=endpoint, version=version, role=Role.CHAMPION, started_at=now, actor=actor, reason=reason
    )
    control_log_write(actor=actor, action="version.deploy", target=endpoint, deployment=deployment)
    return deployment
