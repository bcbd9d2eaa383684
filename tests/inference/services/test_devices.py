"""Devices: enrolled once, rotated with an overlap, switched off and on."""

import datetime

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from inference.errors import AlreadyExists, NotFound
from inference.models import Credential, Device, Endpoint
from inference.services import credential_revoke, device_create, device_disable, device_enable, device_rotate

pytestmark = pytest.mark.django_db


def test_a_device_gets_a_credential_of_its_own_that_may_predict():
    endpoint = Endpoint.objects.create(slug="flow", name="Flow", folder="flow", signature={}, signature_digest="-")
    credential, token = device_create(name="pump-1", endpoints=[endpoint], actor="test")
    assert token.startswith(f"ft_{credential.prefix}_")
    assert credential.device == Device.objects.get(name="pump-1")
    assert (credential.scopes, list(credential.endpoints.all())) == (["predict"], [endpoint])


def test_a_second_device_of_the_same_name_is_refused_with_advice():
    device_create(name="pump-1", actor="test")
    with pytest.raises(AlreadyExists, match="device rotate pump-1"):
        device_create(name="pump-1", actor="test")
    assert Credential.objects.count() == 1


@pytest.mark.parametrize("name", ["", "Pump 1", "pump/1", "a" * 65, "-pump"])
def test_a_name_that_no_address_can_hold_is_refused(name):
    with pytest.raises(ValidationError):
        device_create(name=name, actor="test")


def test_a_device_with_an_impossible_scope_is_not_made():
    with pytest.raises(ValidationError):
        device_create(name="pump-1", scopes=["fly"], actor="test")
    assert not Device.objects.exists()


def test_rotating_ends_every_older_credential_after_the_overlap():
    first = device_create(name="pump-1", actor="test").credential
    second = device_rotate(device=first.device, overlap_s=3600, actor="test").credential
    third = device_rotate(device=first.device, overlap_s=60, actor="test").credential
    ends = {credential.pk: credential.expires_at for credential in Credential.objects.all()}
    assert ends[third.pk] is None
    assert ends[first.pk] <= timezone.now() + datetime.timedelta(seconds=60)
    assert ends[second.pk] <= timezone.now() + datetime.timedelta(seconds=60)


def test_the_heir_of_an_ended_credential_lives():
    first = device_create(name="pump-1", actor="test").credential
    device_rotate(device=first.device, overlap_s=60, actor="test")
    assert device_rotate(device=first.device, overlap_s=0, actor="test").credential.expires_at is None


def test_a_revoked_credential_keeps_its_revocation_through_a_rotation():
    first = device_create(name="pump-1", actor="test").credential
    credential_revoke(credential=first, actor="test")
    device_rotate(device=first.device, overlap_s=3600, actor="test")
    first.refresh_from_db()
    assert first.expires_at is None


def test_a_device_without_any_credential_has_nothing_to_rotate():
    with pytest.raises(NotFound, match="pump-1"):
        device_rotate(device=Device.objects.create(name="pump-1"), overlap_s=0, actor="test")


def test_a_device_is_disabled_once_and_enabled_again():
    device = device_create(name="pump-1", actor="test").credential.device
    device_disable(device=device, actor="test")
    first = device.disabled_at
    device_disable(device=device, actor="test")
    assert Device.objects.get().disabled_at == first
    device_enable(device=device, actor="test")
    assert Device.objects.get().disabled_at is None
