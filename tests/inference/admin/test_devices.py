"""The pages of devices: what they do, what of them is refused, and their credentials."""

import datetime
import re
import uuid

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.utils import timezone

from inference.models import Credential, Device, Presence, Rejection, WebProcess
from inference.permissions import ADMIN, OPERATOR
from inference.services import credential_create, credential_revoke, device_create, device_disable, device_enable

LIST, PAGE = "/inference/device/", "/devices/pump-7/"
TOKEN = r"ft_[a-z0-9]{8}_[A-Za-z0-9_-]{43}"


@pytest.fixture
def pump(db) -> Device:
    """A device with one credential."""
    return device_create(name="pump-7", actor="test").credential.device


def _page(browser, address, status=200):
    answer = browser.get(address)
    assert answer.status_code == status
    return answer.content.decode()


def test_the_list_tells_what_devices_do(browser, pump, predict, flow):
    stored = predict(device=pump)
    Rejection.objects.create(endpoint=flow, device=pump, code="out_of_range", hour=timezone.now(), count=1017)
    page = _page(browser, LIST)
    for shown in (PAGE, f"{stored.predicted_at:%Y-%m-%d %H:%M:%S}", "flow/line-1.0.0", "1,017", "0.1"):
        assert shown in page


def test_the_list_costs_the_same_for_many_devices(browser, pump, predict, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    predict(device=pump)
    with CaptureQueriesContext(connection) as few:
        _page(browser, LIST)
    for number in range(10):
        predict(device=device_create(name=f"valve-{number}", actor="test").credential.device)
    with django_assert_num_queries(len(few)):
        _page(browser, LIST)


def _connected(device, sockets, *, heard_ago_s=0):
    """A process says that a device has sockets open."""
    now = timezone.now()
    process = WebProcess.objects.create(id=uuid.uuid4(), heard_at=now - datetime.timedelta(seconds=heard_ago_s))
    Presence.objects.create(process=process, device=device, sockets=sockets, since=now - datetime.timedelta(days=1))


def test_the_list_and_the_page_tell_who_is_connected(browser, pump):
    valve = device_create(name="valve-1", actor="test").credential.device
    _connected(valve, 2, heard_ago_s=60)
    for sockets in (1, 2):
        _connected(pump, sockets)
    assert "3 sockets" in _page(browser, LIST)
    page = _page(browser, PAGE)
    assert "3 sockets since" in page
    assert f"{timezone.now() - datetime.timedelta(days=1):%Y-%m-%d}" in page
    assert "not connected" in _page(browser, "/devices/valve-1/")
    for connected, shown, hidden in (("1", "pump-7", "valve-1"), ("0", "valve-1", "pump-7")):
        page = _page(browser, f"{LIST}?connected={connected}")
        assert f"/devices/{shown}/" in page
        assert f"/devices/{hidden}/" not in page


def test_the_page_tells_what_a_device_does_and_what_is_refused(browser, pump, predict, flow):
    predict(device=pump)
    Rejection.objects.create(endpoint=flow, device=pump, code="out_of_range", hour=timezone.now(), count=17)
    old = timezone.now() - datetime.timedelta(days=3)
    Rejection.objects.create(endpoint=flow, device=pump, code="wrong_type", hour=old, count=5)
    page = _page(browser, PAGE)
    for shown in ("line-1.0.0", "out_of_range", "17", "good", f"device__id__exact={pump.pk}"):
        assert shown in page
    assert "wrong_type" not in page


def test_a_device_that_never_sent_says_what_to_do(browser, pump):
    page = _page(browser, PAGE)
    assert "No prediction of it" in page
    assert "Nothing of it was refused" in page


def test_a_new_device_gets_its_credential_shown_once(browser, flow):
    said = {"name": "pump-8", "scopes": ["predict"], "endpoints": [flow.pk]}
    answer = browser.post(f"{LIST}add/", said)
    (token,) = re.findall(TOKEN, answer.content.decode())
    assert "no-store" in answer.headers["Cache-Control"]
    credential = Credential.objects.get()
    assert (credential.device.name, credential.scopes, list(credential.endpoints.all())) == (
        "pump-8",
        ["predict"],
        [flow],
    )
    assert token.split("_", 2)[2] not in _page(browser, "/devices/pump-8/")


def test_a_device_never_gets_the_scope_admin_and_is_made_by_who_may_make_credentials(browser, client, db):
    answer = browser.post(f"{LIST}add/", {"name": "pump-8", "scopes": ["predict", "admin"]})
    assert "admin is not one of the available choices" in answer.content.decode()
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_device", "add_device"]))
    client.force_login(user)
    assert client.post(f"{LIST}add/", {"name": "pump-8", "scopes": ["predict"]}).status_code == 403
    assert not Device.objects.exists()


def test_rotating_shows_a_new_credential_and_ends_the_old_one(browser, pump):
    old = Credential.objects.get()
    answer = browser.post(f"{PAGE}rotate/", {"overlap": "0"})
    assert re.findall(TOKEN, answer.content.decode())
    assert "no-store" in answer.headers["Cache-Control"]
    old.refresh_from_db()
    assert old.revoked_at is not None
    assert Credential.objects.count() == 2


def test_only_who_governs_rotates_a_credential_with_the_scope_admin(client, pump):
    Credential.objects.update(scopes=["admin", "predict"])
    operator = User.objects.create_user("olga", is_staff=True)
    operator.groups.add(Group.objects.get(name=OPERATOR))
    client.force_login(operator)
    assert client.post(f"{PAGE}rotate/", {"overlap": "0"}).status_code == 403
    old = Credential.objects.get()
    assert old.revoked_at is None
    operator.groups.set(Group.objects.filter(name=ADMIN))
    assert re.findall(TOKEN, client.post(f"{PAGE}rotate/", {"overlap": "0"}).content.decode())
    assert Credential.objects.exclude(pk=old.pk).get().scopes == ["admin", "predict"]


@pytest.mark.parametrize("overlap", ["", "-1", "7", "x"])
def test_an_overlap_that_is_not_offered_is_refused(browser, pump, overlap):
    assert browser.post(f"{PAGE}rotate/", {"overlap": overlap}).status_code == 302
    assert Credential.objects.count() == 1


def test_a_device_is_switched_off_and_on(browser, pump):
    for to, disabled in (("off", True), ("off", True), ("on", False), ("", False)):
        assert browser.post(f"{PAGE}switch/", {"to": to}).status_code == 302
        pump.refresh_from_db()
        assert (pump.disabled_at is not None) is disabled


def test_what_keeps_a_device_out_is_the_state_of_its_credentials(browser, pump):
    ended = credential_create(device=pump, scopes=["predict"], actor="test").credential
    credential_revoke(credential=ended, actor="test")
    pump.owner = User.objects.create_user("olga", is_active=False)
    pump.save()
    good = pump.credentials.get(revoked_at=None)
    pages = [PAGE, "/inference/credential/", f"/inference/credential/{good.pk}/change/"]
    assert all("owner switched off" in _page(browser, page) for page in pages)
    device_disable(device=pump, actor="test")
    assert all("device disabled" in _page(browser, page) for page in pages)
    assert "revoked" in _page(browser, PAGE)
    device_enable(device=pump, actor="test")
    pump.owner.is_active = True
    pump.owner.save()
    assert all("good" in _page(browser, page) for page in pages)


def test_who_may_look_changes_nothing(client, pump):
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_device"))
    client.force_login(user)
    page = _page(client, PAGE)
    for hidden in ("Rotate", "Disable", "Credentials</h2>"):
        assert hidden not in page
    assert client.post(f"{PAGE}rotate/", {"overlap": "0"}).status_code == 403
    assert client.post(f"{PAGE}switch/", {"to": "off"}).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="add_credential"))
    assert client.post(f"{PAGE}rotate/", {"overlap": "0"}).status_code == 302
    assert Credential.objects.count() == 1


def test_get_changes_nothing(browser, pump):
    for action in ("rotate", "switch"):
        assert browser.get(f"{PAGE}{action}/").status_code == 405


def test_a_device_that_is_not_there_is_not_found(browser, db):
    _page(browser, "/devices/none/", 404)
