"""`manage.py key`: credentials of services, and what exists of all."""

import argparse
from typing import Any

from django.utils import timezone

from inference.management.command import RegistryCommand, add_overlap, add_rights, command_actor, moment, rights
from inference.models import Credential, Scope
from inference.selectors import credential_get
from inference.services import Issued, credential_create, credential_revoke, credential_rotate


class Command(RegistryCommand):
    """Keys."""

    help = "Make keys for programs, rotate and revoke credentials of programs and devices, list them."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What it takes."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        create = actions.add_parser("create", help="a key for a program; it is the last line of the output")
        create.add_argument("name", help="the program's name")
        add_rights(create, scopes=f"{Scope.PREDICT},{Scope.READ}")
        rotate = actions.add_parser("rotate", help="a new key with the same rights; the old one ends after an overlap")
        rotate.add_argument("prefix", help="the 8 characters after ft_")
        add_overlap(rotate)
        rotate.add_argument(
            "--expires", type=moment, metavar="WHEN", help="when the new one ends; by default as the old one"
        )
        revoke = actions.add_parser("revoke", help="end a credential; its open sockets close within 5 s")
        revoke.add_argument("prefix", help="the 8 characters after ft_")
        actions.add_parser("list", help="all credentials, without their secrets")

    def run(self, *, action: str, name: str = "", prefix: str = "", **options: Any) -> str | None:
        """Do what the action says."""
        if action == "create":
            said = {key: options[key] for key in ("scope", "endpoint", "expires")}
            return self._tell(credential_create(service=name, actor=command_actor("key"), **rights(**said)))
        if action == "rotate":
            said = {"overlap_s": options["overlap_s"], "expires_at": options["expires"]}
            return self._tell(
                credential_rotate(credential=credential_get(prefix=prefix), actor=command_actor("key"), **said)
            )
        if action == "revoke":
            credential = credential_get(prefix=prefix)
            credential_revoke(credential=credential, actor=command_actor("key"))
            return _line(credential)
        credentials = Credential.objects.select_related("device__owner").prefetch_related("endpoints")
        return "\n".join(_line(credential) for credential in credentials)

    def _tell(self, issued: Issued) -> str:
        self.stdout.write(_line(issued.credential))
        self.stdout.write("Keep this key: it can't be shown again.")
        return issued.token


def _line(credential: Credential) -> str:
    endpoints = ",".join(endpoint.slug for endpoint in credential.endpoints.all()) or "all endpoints"
    return f"{credential}  {','.join(credential.scopes)}  {endpoints}  {_state(credential)}"


def _state(credential: Credential) -> str:
    if credential.revoked_at is not None:
        return f"revoked {credential.revoked_at:%Y-%m-%d %H:%M} UTC"
    end = credential.expires_at
    if end is not None and end <= timezone.now():
        return f"expired {end:%Y-%m-%d %H:%M} UTC"
    if credential.device and credential.device.refusal:
        return credential.device.refusal
    return "good" if end is None else f"good until {end:%Y-%m-%d %H:%M} UTC"
