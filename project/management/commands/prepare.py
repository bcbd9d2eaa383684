"""`manage.py prepare`: everything in the database and the state folder that `up` needs before it can serve."""

import hashlib
import json
import sys
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction

from inference.engine.example import example as typical
from inference.management.command import command_actor
from inference.models import Device, Role, Scope, Version
from inference.services import control_log_write, device_create, device_rotate
from project.home import Home

ADMIN = "admin"
DEMO_DEVICES = 4
PREFERRED = "shuttle-fault"
"""The endpoint of the lines to paste, when it is live."""


class Command(BaseCommand):
    """Migrate, collect static files, make the admin, deploy the models, give out credentials.

    Writes one JSON object a line to stdout: `{"step": …}` when a step begins, `{"result": …}` at the end, with the
    admin's password and the credentials. What the steps themselves say goes to stderr.
    """

    help = "Bring the database and the state folder to where `up` can serve. Run by `up`."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Take the steps."""
        self._tell(step="Database tables")
        call_command("migrate", interactive=False, verbosity=0, stdout=sys.stderr)
        self._tell(step="Static files")
        static_files_collect()
        self._tell(step="Models from artifacts/")
        call_command("deploy", stdout=sys.stderr)
        self._tell(step="Admin and credentials")
        result = {"password": admin_ensure(), "visitor": device_token("visitor"), "example": example()}
        if settings.ENVIRONMENT.demo:
            result["demo"] = [device_token(f"demo-{number}") for number in range(1, DEMO_DEVICES + 1)]
        self._tell(result=result)

    def _tell(self, **said: Any) -> None:
        self.stdout.write(json.dumps(said))
        self.stdout.flush()


def static_files_collect() -> bool:
    """Copy the static files of all apps together, unless none has changed since the last time.

    Returns:
        whether anything was copied.
    """
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            entry = storage.path(path)
            digest.update(f"{entry}\0{storage.size(path)}\0{storage.get_modified_time(path)}\n".encode())
    stamp = settings.STATIC_ROOT / ".collected"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return False
    # Cleared, because collectstatic keeps a copy that looks newer than its changed source.
    call_command("collectstatic", clear=True, interactive=False, verbosity=0, stdout=sys.stderr)
    stamp.write_text(digest.hexdigest())
    return True


@transaction.atomic
def admin_ensure() -> str | None:
    """Make the user `admin`, with ADMIN_PASSWORD or a password generated once and kept in the state folder.

    Returns:
        the password that lets in; None when someone has changed it since.
    """
    given = settings.ENVIRONMENT.admin_password
    password = given or Home(settings.FORETELL_HOME).secret("admin_password", random_bytes=12)
    users = get_user_model().objects
    user = users.filter(username=ADMIN).first()
    if user is None:
        user = users.create_superuser(ADMIN, password=password)
        control_log_write(actor=command_actor("prepare"), action="user.create", target=user)
    elif not user.check_password(password):
        if not given:
            return None
        user.set_password(password)
        user.save(update_fields=["password"])
        control_log_write(actor=command_actor("prepare"), action="user.password", target=user)
    return password


def device_token(name: str) -> str:
    """A new credential of the device of that name; its older ones end at once."""
    device = Device.objects.filter(name=name).first()
    if device is None:
        scopes = (Scope.PREDICT, Scope.READ)
        return device_create(
            name=name, scopes=scopes, description="Made by `up`.", actor=command_actor("prepare")
        ).token
    return device_rotate(device=device, overlap_s=0, actor=command_actor("prepare")).token


def example() -> dict[str, Any] | None:
    """An endpoint that answers, and features it takes: the mean of each over its training data.

    Returns:
        `{"endpoint": slug, "features": {name: value}}`, or None when no endpoint is live.
    """
    live = Version.objects.filter(
        deployments__role=Role.CHAMPION, deployments__ended_at=None, endpoint__retired_at=None
    )
    version = live.filter(endpoint__slug=PREFERRED).first() or live.order_by("endpoint__slug").first()
    if version is None:
        return None
    features = typical(version.manifest["signature"], version.manifest["reference"])
    return {"endpoint": version.endpoint.slug, "features": features}
