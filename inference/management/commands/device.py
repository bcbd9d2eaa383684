"""`manage.py device`: enrol devices, give them new credentials, switch them off and on."""

import argparse
from typing import Any

from inference.management.command import RegistryCommand, add_overlap, add_rights, command_actor, rights
from inference.models import Device, Scope
from inference.selectors import device_get
from inference.services import Issued, device_create, device_disable, device_enable, device_rotate


class Command(RegistryCommand):
    """Devices."""

    help = "Enrol devices, rotate their credentials, disable and enable them."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What it takes."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        create = actions.add_parser("create", help="enrol a device; its credential is the last line of the output")
        create.add_argument("name")
        add_rights(create, scopes=Scope.PREDICT)
        rotate = actions.add_parser("rotate", help="a new credential; the old ones end after an overlap")
        rotate.add_argument("name")
        add_overlap(rotate)
        actions.add_parser("disable", help="refuse it, also on open sockets").add_argument("name")
        actions.add_parser("enable", help="let it in again").add_argument("name")
        actions.add_parser("list", help="all devices")

    def run(self, *, action: str, name: str = "", **options: Any) -> str | None:
        """Do what the action says."""
        if action == "create":
            said = {key: options[key] for key in ("scope", "endpoint", "expires")}
            return self._tell(device_create(name=name, actor=command_actor("device"), **rights(**said)))
        if action == "list":
            return "\n".join(_line(device) for device in Device.objects.all())
        device = device_get(name=name)
        if action == "rotate":
            return self._tell(
                device_rotate(device=device, overlap_s=options["overlap_s"], actor=command_actor("device"))
            )
        change = device_disable if action == "disable" else device_enable
        change(device=device, actor=command_actor("device"))
        return _line(device)

    def _tell(self, issued: Issued) -> str:
        self.stdout.write("Keep this credential: it can't be shown again.")
        return issued.token


def _line(device: Device) -> str:
    return f"{device.name}  {f'disabled {device.disabled_at:%Y-%m-%d %H:%M} UTC' if device.disabled_at else 'enabled'}"
