"""The pages of devices and credentials: a token is shown once, and rights never widen by accident."""

import datetime
import hashlib
import re

from django.contrib.auth.models import Group, User
from django.utils import timezone

from inference.models import Credential, Device
from inference.permissions import ADMIN, OPERATOR
from inference.services import credential_create, device_create

LIST = "/inference/credential/"


def test_a_new_credential_is_shown_once_and_stored_as_a_digest(browser, flow):
    device = Device.objects.create(name="pump-7")
    answer = browser.post(
        f"{LIST}add/", {"device": device.pk, "service": "", "scopes": ["predict"], "endpoints": [flow.pk]}
    )
    (token,) = re.findall(r"ft_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", answer.content.decode())
    credential = Credential.objects.get()
    assert bytes(credential.secret_sha256) == hashlib.sha256(token.encode()).digest()
    assert (credential.device, credential.scopes, list(credential.endpoints.all())) == (device, ["predict"], [flow])
    assert credential.created_by.username == "admin"
    assert "no-store" in answer.headers["Cache-Control"]
    secret = token.split("_", 2)[2]
    for address in (LIST, f"{LIST}{credential.pk}/change/", f"{LIST}{credential.pk}/history/", "/"):
        page = browser.get(address)
        assert page.status_code == 200
        assert secret not in page.content.decode()
    assert not any(secret in cookie.value for cookie in browser.cookies.values())


def test_the_digest_is_on_no_page(browser, db):
    credential, _ = credential_create(service="report", scopes=["read"], actor="test")
    page = browser.get(f"{LIST}{credential.pk}/change/").content.decode()
    assert "report" in page
    assert bytes(credential.secret_sha256).hex() not in page
    assert "secret_sha256" not in page


def test_a_credential_of_a_device_and_a_service_is_refused(browser, db):
    device = Device.objects.create(name="pump-7")
    for said in ({"device": device.pk, "service": "report"}, {"device": "", "service": ""}):
        page = browser.post(f"{LIST}add/", said | {"scopes": ["predict"]}).content.decode()
        assert page.count("one of the two") == 1
        assert "Constraint" not in page
    assert not Credential.objects.exists()


def test_taking_the_last_endpoint_away_does_not_open_all(browser, flow):
    credential, _ = credential_create(service="report", scopes=["read"], endpoints=[flow], actor="test")
    page = browser.post(f"{LIST}{credential.pk}/change/", {"scopes": ["read"], "endpoints": []}).content.decode()
    assert "may use all of them" in page
    assert list(credential.endpoints.all()) == [flow]


def test_rights_can_be_narrowed(browser, flow):
    credential, _ = credential_create(service="report", scopes=["read", "predict"], actor="test")
    browser.post(f"{LIST}{credential.pk}/change/", {"scopes": ["read"], "endpoints": [flow.pk], "service": "other"})
    credential.refresh_from_db()
    assert (credential.scopes, credential.service, list(credential.endpoints.all())) == (["read"], "report", [flow])


def test_credentials_are_revoked_and_not_deleted(browser, db):
    credential, _ = credential_create(service="report", scopes=["read"], actor="test")
    done = browser.post(LIST, {"action": "revoke", "_selected_action": credential.pk}, follow=True)
    assert f"Revoked: ft_{credential.prefix}_…." in done.content.decode()
    credential.refresh_from_db()
    assert credential.revoked_at is not None
    assert "revoked" in browser.get(LIST).content.decode()
    assert browser.post(f"{LIST}{credential.pk}/delete/", {"post": "yes"}).status_code == 403


def test_what_was_made_for_a_moment_and_is_over_is_shown_on_request_only(browser, db):
    now, hour = timezone.now(), datetime.timedelta(hours=1)
    kinds = {
        "tried": (now - 2 * hour, now - hour),
        "trying": (now - hour, now + hour),
        "expired": (now - 100 * hour, now - hour),
        "lasting": (now - hour, None),
    }
    for service, (created_at, expires_at) in kinds.items():
        credential, _ = credential_create(service=service, scopes=["read"], actor="test", expires_at=expires_at)
        Credential.objects.filter(pk=credential.pk).update(created_at=created_at)
    for query, shown in (
        ("", {"trying", "expired", "lasting"}),
        ("?short_lived=1", set(kinds)),
        ("?q=tried", {"tried"}),
    ):
        page = browser.get(LIST + query).content.decode()
        assert {service for service in kinds if f"service {service}" in page} == shown, query


def test_devices_are_added_disabled_and_enabled(browser, db):
    browser.post("/inference/device/add/", {"name": "pump-7", "scopes": ["predict"]})
    device = Device.objects.get(name="pump-7")
    for action, disabled in (("disable", True), ("enable", False)):
        browser.post("/inference/device/", {"action": action, "_selected_action": device.pk})
        device.refresh_from_db()
        assert (device.disabled_at is not None) is disabled
    assert "pump-7" in browser.get("/inference/device/").content.decode()
    assert browser.post(f"/inference/device/{device.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_device_page_shows_its_credentials_nowhere_in_clear(browser, db):
    issued = device_create(name="pump-7", actor="test")
    page = browser.get(f"/inference/device/{issued.credential.device_id}/change/").content.decode()
    assert issued.token not in page


def test_only_who_governs_gives_the_scope_admin_away(client, browser, flow):
    said = {"service": "report", "scopes": ["read", "admin"], "endpoints": [flow.pk]}
    operator = User.objects.create_user("olga", is_staff=True)
    operator.groups.add(Group.objects.get(name=OPERATOR))
    client.force_login(operator)
    assert 'value="admin"' not in client.get(f"{LIST}add/").content.decode()
    assert client.post(f"{LIST}add/", said).status_code == 200
    client.post("/inference/device/add/", {"name": "pump-7", "scopes": ["predict", "admin"]})
    assert not Credential.objects.exists()
    operator.groups.set(Group.objects.filter(name=ADMIN))
    client.post(f"{LIST}add/", said)
    assert Credential.objects.get().scopes == ["admin", "read"]
