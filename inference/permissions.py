"""What people may do: the groups, their permissions, and the one rule about endpoints that somebody owns.

Pages and commands ask here or ask Django (`user.has_perm`); services do what they are told. A permission is always one
that stands in the database, so that an administrator can also give a single one to a single person.
"""

from typing import Protocol

from django.db import migrations

from inference.models import Endpoint, Note

VIEWER, OPERATOR, DATA_SCIENTIST, ADMIN = "viewer", "operator", "data scientist", "admin"

DEPLOY = "inference.deploy_version"
TRY = "inference.try_endpoint"
ADD_NOTE = "inference.add_note"
ADD_FEEDBACK = "inference.add_feedback"
DELETE_NOTE = "inference.delete_note"
SEE_BATCHES, RUN_BATCH = "jobs.view_batchjob", "jobs.run_batchjob"
SEE_TRAININGS, RUN_TRAINING = "jobs.view_trainingrun", "jobs.run_trainingrun"
EVERY_ENDPOINT = "inference.manage_every_endpoint"
"""Not bound by ownership; also needed to give a credential the scope `admin`."""

_LOOKS = frozenset(
    f"inference.view_{model}"
    for model in ("endpoint", "version", "deployment", "device", "prediction", "feedback", "rejection", "note")
) | {SEE_BATCHES, SEE_TRAININGS}
_OPERATES = frozenset(
    {
        TRY,
        ADD_NOTE,
        ADD_FEEDBACK,
        RUN_BATCH,
        "auth.view_user",
        "inference.add_device",
        "inference.change_device",
        "inference.view_credential",
        "inference.add_credential",
        "inference.change_credential",
    }
)
_GOVERNS = frozenset(
    {
        EVERY_ENDPOINT,
        "inference.change_endpoint",
        "inference.view_controllog",
        DELETE_NOTE,
        "auth.add_user",
        "auth.change_user",
        "auth.view_group",
    }
)

GROUPS: dict[str, frozenset[str]] = {
    VIEWER: _LOOKS,
    OPERATOR: _LOOKS | _OPERATES,
    DATA_SCIENTIST: _LOOKS | {TRY, DEPLOY, ADD_NOTE, ADD_FEEDBACK, RUN_BATCH, RUN_TRAINING},
    ADMIN: _LOOKS | _OPERATES | _GOVERNS | {DEPLOY, RUN_TRAINING},
}
"""Each group's permissions, as `app.codename`. Migrations seed them; a test holds both equal."""


class Person(Protocol):
    """What is asked of a user: an account of Django's, also the anonymous one."""

    pk: int | None

    def has_perm(self, perm: str) -> bool:
        """Whether the account has that permission, by itself or by its groups."""


def may_act_on(user: Person, endpoint: Endpoint) -> bool:
    """Whether ownership lets a user act on an endpoint: it is theirs, nobody's, or they may act on all."""
    return endpoint.owner_id in (None, user.pk) or user.has_perm(EVERY_ENDPOINT)


def may_deploy(user: Person, endpoint: Endpoint) -> bool:
    """Whether a user may make versions of an endpoint live, which rolling back is too."""
    return user.has_perm(DEPLOY) and may_act_on(user, endpoint)


def may_delete(user: Person, note: Note) -> bool:
    """Whether a user may take a note away: their own, or any with the permission to."""
    return (note.author_id == user.pk and user.has_perm(ADD_NOTE)) or user.has_perm(DELETE_NOTE)


def granted(grants: dict[str, list[str]]) -> migrations.RunPython:
    """A migration's operation that gives groups permissions. Groups and permissions that are missing are made.

    Django makes permissions only after all migrations, which is too late for the ones that give them away.

    Args:
        grants: `{group: ["app.codename_model", …]}`; the word behind the last `_` is the model.
    """

    def grant(apps, schema_editor):
        kinds, permissions = apps.get_model("contenttypes", "ContentType"), apps.get_model("auth", "Permission")
        for name, codes in grants.items():
            group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
            for code in codes:
                app, codename = code.split(".")
                kind, _ = kinds.objects.get_or_create(app_label=app, model=codename.rsplit("_", 1)[1])
                permission, _ = permissions.objects.get_or_create(
                    content_type=kind, codename=codename, defaults={"name": f"Can {codename.replace('_', ' ')}"}
                )
                group.permissions.add(permission)

    return migrations.RunPython(grant, migrations.RunPython.noop)
