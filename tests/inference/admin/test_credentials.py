"""The page of a credential, where it is revoked."""

from django.contrib.auth.models import Permission, User

from inference.models import ControlLog
from inference.services import credential_create

LIST = "/inference/credential/"
BUTTON = "Revoke for good"


def test_a_credential_is_revoked_on_its_page_once_that_is_meant(browser, db):
    credential, _ = credential_create(service="report", scopes=["read"], actor="test")
    page, revoke = f"{LIST}{credential.pk}/change/", f"{LIST}{credential.pk}/revoke/"
    assert revoke in browser.get(page).content.decode()
    answer = browser.post(revoke, {"reason": "It leaked."}, follow=True)
    assert "Nothing was revoked" in answer.content.decode()
    assert BUTTON in answer.content.decode()
    answer = browser.post(revoke, {"reason": " It leaked.\x00", "sure": "yes"}, follow=True)
    assert f"ft_{credential.prefix}_… is revoked" in answer.content.decode()
    assert BUTTON not in answer.content.decode()
    credential.refresh_from_db()
    assert credential.revoked_at is not None
    row = ControlLog.objects.first()
    assert (row.actor, row.action, row.reason) == ("admin", "credential.revoke", "It leaked.")
    assert browser.post(f"{LIST}{credential.pk + 1}/revoke/", {"sure": "yes"}).status_code == 404


def test_who_may_only_look_is_not_offered_to_revoke(client, db):
    credential, _ = credential_create(service="report", scopes=["read"], actor="test")
    eve = User.objects.create_user("eve", is_staff=True)
    eve.user_permissions.set(Permission.objects.filter(codename="view_credential"))
    client.force_login(eve)
    answer = client.get(f"{LIST}{credential.pk}/change/")
    assert answer.status_code == 200
    assert BUTTON not in answer.content.decode()
    assert client.post(f"{LIST}{credential.pk}/revoke/", {"sure": "yes"}).status_code == 403
