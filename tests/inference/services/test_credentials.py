"""Credentials: made, rotated and revoked, and what is stored of them."""

import datetime
import hashlib

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from inference.models import Credential, Device, Endpoint
from inference.services import credential_create, credential_revoke, credential_rotate

pytestmark = pytest.mark.django_db

HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def endpoint():
    return Endpoint.objects.create(slug="flow", name="Flow", folder="flow", signature={}, signature_digest="-")


def test_only_the_digest_of_a_token_is_stored():
    issued = credential_create(service="report", scopes=["predict", "read"], actor="test")
    stored = Credential.objects.get()
    assert bytes(stored.secret_sha256) == hashlib.sha256(issued.token.encode()).digest()
    secret = issued.token.split("_", 2)[2]  # base64url has underscores of its own
    assert not any(secret in str(value) for value in Credential.objects.values_list().get())
    assert stored.scopes == ["predict", "read"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"service": "report", "scopes": []}, "Nothing is no scope"),
        ({"service": "report", "scopes": ["read", "fly"]}, "'fly' is no scope"),
        ({"service": "", "scopes": ["predict"]}, "one of the two"),
        ({"service": "x" * 65, "scopes": ["predict"]}, "at most 64"),
    ],
)
def test_a_credential_without_owner_or_known_scopes_is_refused(said, problem):
    with pytest.raises(ValidationError, match=problem):
        credential_create(**said, actor="test")


def test_a_credential_belongs_to_a_device_or_to_a_service_not_both():
    with pytest.raises(ValidationError, match="one of the two"):
        credential_create(device=Device.objects.create(name="pump"), service="report", scopes=["predict"], actor="test")


def test_a_rotated_credential_has_the_same_rights_and_the_old_one_an_end(endpoint):
    old, _ = credential_create(service="report", scopes=["predict", "read"], endpoints=[endpoint], actor="test")
    new = credential_rotate(credential=old, overlap_s=3600, actor="test").credential
    assert (new.scopes, new.service, list(new.endpoints.all())) == (old.scopes, "report", [endpoint])
    assert new.expires_at is None
    old.refresh_from_db()
    assert timezone.now() < old.expires_at <= timezone.now() + HOUR
    assert old.revoked_at is None


def test_an_overlap_never_lengthens_a_life():
    soon = timezone.now() + HOUR / 2
    old, _ = credential_create(service="report", scopes=["predict"], expires_at=soon, actor="test")
    credential_rotate(credential=old, overlap_s=7200, actor="test")
    old.refresh_from_db()
    assert old.expires_at == soon


def test_a_rotation_without_overlap_revokes_the_old_one():
    old, _ = credential_create(service="report", scopes=["predict"], actor="test")
    credential_rotate(credential=old, overlap_s=0, actor="test")
    old.refresh_from_db()
    assert old.revoked_at is not None


@pytest.mark.parametrize("over", ["revoked_at", "expires_at"])
def test_what_is_over_is_not_rotated(over):
    old, _ = credential_create(service="report", scopes=["predict"], actor="test")
    Credential.objects.update(**{over: timezone.now()})
    with pytest.raises(ValidationError, match="is over"):
        credential_rotate(credential=old, overlap_s=60, actor="test")
    assert Credential.objects.count() == 1


def test_revoking_twice_keeps_the_first_time():
    credential, _ = credential_create(service="report", scopes=["predict"], actor="test")
    credential_revoke(credential=credential, actor="test")
    first = credential.revoked_at
    credential_revoke(credential=credential, actor="test")
    credential.refresh_from_db()
    assert credential.revoked_at == first
