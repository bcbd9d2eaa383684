"""The control log: a row for every change, with it or not at all, and none is ever changed."""

import uuid

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from inference.models import ControlLog, Endpoint
from inference.selectors import version_get
from inference.services import (
    credential_create,
    credential_revoke,
    credential_rotate,
    device_create,
    device_disable,
    device_enable,
    device_rotate,
    release_deploy,
    version_deploy,
)
from inference.services.control import control_log_write, request_id
from tests.inference import tiny


def _actions() -> list[tuple[str, str, str]]:
    return [(row.action, row.object_name, row.actor) for row in ControlLog.objects.order_by("id")]


def test_a_release_writes_down_what_it_brought(flow):
    assert _actions() == [
        ("endpoint.create", "flow", "test"),
        ("version.publish", "flow/line-1.0.0", "test"),
        ("version.deploy", "flow", "test"),
    ]


def test_a_release_that_changes_nothing_writes_nothing(flow, artifacts, store):
    before = ControlLog.objects.count()
    release_deploy(artifacts=artifacts, into=store, actor="test")
    assert ControlLog.objects.count() == before


def test_a_deployment_is_linked_and_not_told_twice(flow, artifacts, store):
    tiny.write_version(artifacts / "flow", number="1.1.0", slope=2)
    release_deploy(artifacts=artifacts, into=store, actor="test")
    version = version_get(endpoint=flow, tag="line-1.1.0")
    deployment = version_deploy(endpoint=flow, version=version, actor="ada", reason="better")
    row = ControlLog.objects.first()
    assert (row.action, row.actor, row.deployment, row.reason) == ("version.deploy", "ada", deployment, "")


@pytest.mark.django_db
def test_devices_and_their_credentials_leave_a_line_for_each_change():
    device = device_create(name="pump-1", actor="ada").credential.device
    device_rotate(device=device, overlap_s=60, actor="grace")
    device_disable(device=device, actor="grace")
    device_disable(device=device, actor="grace")
    device_enable(device=device, actor="ada")
    assert [(action, actor) for action, _, actor in _actions()] == [
        ("device.create", "ada"),
        ("credential.create", "ada"),
        ("credential.create", "grace"),
        ("credential.retire", "grace"),
        ("device.disable", "grace"),
        ("device.enable", "ada"),
    ]
    enabled = ControlLog.objects.first()
    assert enabled.before["disabled_at"] is not None
    assert enabled.after == {"disabled_at": None}


@pytest.mark.django_db
def test_no_secret_and_no_digest_gets_into_the_log():
    credential, token = credential_create(service="report", scopes=["read"], actor="ada")
    heir, second = credential_rotate(credential=credential, overlap_s=0, actor="ada")
    credential_revoke(credential=heir, actor="ada")
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(l::text, '') FROM inference_controllog l")
        written = cursor.fetchone()[0]
    for issued, secret in ((credential, token), (heir, second)):
        assert issued.prefix in written
        assert secret.split("_", 2)[2] not in written
        assert bytes(issued.secret_sha256).hex() not in written


@pytest.mark.django_db
def test_the_request_is_written_down():
    number = uuid.uuid4()
    mark = request_id.set(number)
    device_create(name="pump-1", actor="ada")
    request_id.reset(mark)
    assert {row.request_id for row in ControlLog.objects.all()} == {number}


def test_a_change_that_fails_leaves_no_line(clean_tables):
    with pytest.raises(ValidationError):
        device_create(name="pump-1", actor="ada", scopes=["fly"])
    assert not ControlLog.objects.exists()


def test_a_line_beside_a_transaction_is_refused(clean_tables):
    with pytest.raises(RuntimeError, match="transaction"):
        control_log_write(actor="ada", action="endpoint.change", target=Endpoint(slug="flow"))


@pytest.mark.django_db
def test_a_change_by_nobody_is_refused():
    with pytest.raises(RuntimeError, match="who"):
        device_create(name="pump-1", actor="")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inference_controllog SET actor = 'eve'",
        "UPDATE inference_controllog SET actor = 'eve' WHERE false",
        "DELETE FROM inference_controllog",
        "TRUNCATE inference_controllog",
    ],
)
def test_the_database_refuses_to_rewrite_the_log(flow, statement):
    before = _actions()
    with (
        pytest.raises(IntegrityError, match="it is only added to"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert _actions() == before


def test_the_log_outlives_what_it_tells_of(clean_tables, dsn):
    with transaction.atomic():
        device_create(name="pump-1", actor="ada")
    with psycopg.connect(dsn) as other:
        other.execute("DELETE FROM inference_credential")
        other.execute("DELETE FROM inference_device")
    assert ControlLog.objects.last().object_name == "pump-1"
