"""A role that may serve: it writes and reads, and rewrites nothing that is kept."""

from contextlib import contextmanager

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from psycopg import errors

from inference import ids
from inference.engine.store import FolderStore
from inference.models import ControlLog, Deployment, Device, Endpoint
from inference.services import device_create, device_disable, release_deploy, version_deploy
from tests.inference import tiny

ROLE = "foretell_web"


@pytest.fixture
def role(clean_tables, dsn):
    """The role, and afterwards it is gone."""
    call_command("grant", ROLE)
    yield ROLE
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(f"DROP OWNED BY {ROLE}")
        owner.execute(f"DROP ROLE {ROLE}")


@contextmanager
def _rights_of(role):
    """Gives Django's connection the rights of the role only."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION AUTHORIZATION {role}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET SESSION AUTHORIZATION")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inference_controllog SET actor = 'eve'",
        "DELETE FROM inference_controllog",
        "TRUNCATE inference_controllog",
        "DROP TABLE inference_controllog",
        "ALTER TABLE inference_controllog DISABLE TRIGGER ALL",
        "CREATE OR REPLACE FUNCTION inference_refuse() RETURNS trigger LANGUAGE sql AS ''",
        "SET session_replication_role = replica",
        "UPDATE inference_deployment SET reason = 'other'",
        "DELETE FROM inference_deployment",
        "UPDATE inference_prediction SET output = '{}'",
        "DELETE FROM inference_prediction",
        "DELETE FROM inference_prediction_default",
        "UPDATE inference_version SET digest = 'other'",
        "DELETE FROM inference_feedback",
        "TRUNCATE inference_feedback",
        "DELETE FROM django_migrations",
        "CREATE TABLE mine (id int)",
        "COPY inference_controllog TO PROGRAM 'cat'",
    ],
)
def test_the_role_rewrites_nothing_that_is_kept(role, dsn, statement):
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute(f"SET SESSION AUTHORIZATION {role}")
        with pytest.raises(errors.InsufficientPrivilege):
            other.execute(statement)


def test_the_role_serves(role, tmp_path):
    tiny.write_version(tiny.write_endpoint(tmp_path / "artifacts"))
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(tmp_path / "store"), actor="test")
    flow = Endpoint.objects.get()
    with _rights_of(role):
        _serve(flow)
    assert Device.objects.get().disabled_at is not None
    assert ControlLog.objects.filter(actor="ada").count() == 4


def _serve(flow):
    device = device_create(name="pump-1", actor="ada").credential.device
    device_disable(device=device, actor="ada")
    Deployment.objects.filter(ended_at=None).update(ended_at=Deployment.objects.get().started_at)
    with transaction.atomic():
        version_deploy(endpoint=flow, version=flow.versions.get(), actor="ada", reason="again")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inference_prediction (id, request_id, endpoint_id, version_id, source, features)"
            " VALUES (%s, %s, %s, %s, 1, '[1]')",
            [ids.prediction_id(), ids.prediction_id(), flow.pk, flow.versions.get().pk],
        )


def test_granting_again_changes_nothing(role):
    call_command("grant", role)


def test_a_role_that_can_do_everything_is_refused(clean_tables):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        owner = cursor.fetchone()[0]
    with pytest.raises(CommandError, match="nothing can be kept from it"):
        call_command("grant", owner)
