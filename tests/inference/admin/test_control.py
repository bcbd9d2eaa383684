"""What people change in the admin is written down with from, to and why, and is read there."""

import pytest
from django.contrib.auth.models import Group, User

from inference.models import ControlLog
from inference.permissions import ADMIN, OPERATOR, VIEWER
from inference.services import credential_create, device_create


def _last():
    row = ControlLog.objects.first()
    return row.actor, row.action, row.object_name, row.before, row.after, row.reason


@pytest.fixture
def adam(client, db):
    """Somebody of the group admin, logged in."""
    adam = User.objects.create_user("adam", is_staff=True)
    adam.groups.add(Group.objects.get(name=ADMIN))
    client.force_login(adam)
    return adam


def _fields(client, page, **said):
    """What a browser would send back from a form, with some values changed."""
    form = client.get(page).context["adminform"].form
    values = {}
    for bound in form:
        if bound.value() is not None and not bound.field.disabled:
            value = bound.value()
            parts = bound.field.widget.decompress(value) if hasattr(bound.field.widget, "decompress") else None
            if parts is not None:
                values |= {f"{bound.html_name}_{index}": part for index, part in enumerate(parts) if part is not None}
            else:
                values[bound.html_name] = value
    return {name: value for name, value in (values | said).items() if value is not False}


def test_retiring_an_endpoint_asks_why_and_tells(client, adam, flow):
    page = f"/inference/endpoint/{flow.pk}/change/"
    said = _fields(client, page, owner=adam.pk, reason="the pump was sold")
    assert client.post(page, said).status_code == 302
    assert _last() == ("adam", "endpoint.change", "flow", {"owner": None}, {"owner": "adam"}, "the pump was sold")
    assert ControlLog.objects.first().request_id is not None


def test_saving_without_a_change_writes_nothing(client, adam, flow):
    before = ControlLog.objects.count()
    page = f"/inference/endpoint/{flow.pk}/change/"
    client.post(page, _fields(client, page, reason="just looking"))
    assert ControlLog.objects.count() == before


def test_narrowing_a_credential_tells_from_and_to(client, adam, flow):
    credential, _ = credential_create(service="report", scopes=["read", "predict"], actor="test")
    page = f"/inference/credential/{credential.pk}/change/"
    client.post(page, {"scopes": ["read"], "endpoints": [flow.pk], "reason": "less is enough"})
    _, action, _, before, after, reason = _last()
    assert (action, reason) == ("credential.change", "less is enough")
    assert (sorted(before["scopes"]), before["endpoints"]) == (["predict", "read"], [])
    assert after == {"scopes": ["read"], "endpoints": ["flow"]}


def test_a_new_credential_is_one_line(client, adam, flow):
    before = ControlLog.objects.count()
    client.post("/inference/credential/add/", {"service": "report", "scopes": ["read"], "endpoints": [flow.pk]})
    assert ControlLog.objects.count() == before + 1
    assert _last()[:2] == ("adam", "credential.create")


def test_a_switched_off_device_tells_who(client, adam):
    device = device_create(name="pump-1", actor="test").credential.device
    done = client.post("/inference/device/", {"action": "disable", "_selected_action": device.pk}, follow=True)
    assert "Disabled: pump-1." in done.content.decode()
    assert _last()[:3] == ("adam", "device.disable", "pump-1")


def test_people_and_their_groups_are_written_down_without_passwords(client, adam):
    said = {"username": "olga", "password1": "staple 12 tree", "password2": "staple 12 tree", "usable_password": "true"}
    assert client.post("/auth/user/add/", said).status_code == 302
    olga = User.objects.get(username="olga")
    assert olga.is_staff
    assert _last() == ("adam", "user.create", "olga", {}, {"username": "olga"}, "")
    page = f"/auth/user/{olga.pk}/change/"
    operators = Group.objects.get(name=OPERATOR)
    assert client.post(page, _fields(client, page, groups=[operators.pk], reason="on duty")).status_code == 302
    assert _last() == ("adam", "user.change", "olga", {"groups": []}, {"groups": ["operator"]}, "on duty")
    said = {"password1": "another 34 word", "password2": "another 34 word", "usable_password": "true"}
    assert client.post(f"/auth/user/{olga.pk}/password/", said).status_code == 302
    assert _last() == ("adam", "user.password", "olga", {}, {}, "")
    assert client.post(f"/auth/user/{olga.pk}/password/", said | {"password2": "x"}).status_code == 200
    assert ControlLog.objects.filter(action="user.password").count() == 1


def test_an_admin_is_no_superuser_and_makes_none(client, adam, admin_user):
    page = f"/auth/user/{adam.pk}/change/"
    said = _fields(client, page, is_superuser="on", user_permissions=["1"], first_name="Adam")
    assert client.post(page, said).status_code == 302
    adam.refresh_from_db()
    assert (adam.first_name, adam.is_superuser, adam.user_permissions.count()) == ("Adam", False, 0)
    root = f"/auth/user/{admin_user.pk}"
    old = admin_user.password
    said = {"password1": "another 34 word", "password2": "another 34 word", "usable_password": "true"}
    assert client.post(f"{root}/password/", said).status_code == 403
    assert client.post(f"{root}/change/", {"username": "root", "is_active": ""}).status_code == 403
    admin_user.refresh_from_db()
    assert (admin_user.password, admin_user.is_active) == (old, True)


def test_a_form_without_named_fields_asks_why_once(browser, db):
    group = Group.objects.create(name="guests")
    page = f"/auth/group/{group.pk}/change/"
    assert browser.get(page).content.decode().count('name="reason"') == 1
    browser.post(page, {"name": "visitors", "reason": "more polite"})
    assert _last()[1:] == ("group.change", "visitors", {"name": "guests"}, {"name": "visitors"}, "more polite")


def test_a_deleted_group_is_written_down(browser, db):
    group = Group.objects.create(name="guests")
    other = Group.objects.create(name="visitors")
    browser.post(f"/auth/group/{group.pk}/delete/", {"post": "yes"})
    assert _last()[:3] == ("admin", "group.delete", "guests")
    browser.post("/auth/group/", {"action": "delete_selected", "_selected_action": other.pk, "post": "yes"})
    assert _last()[:3] == ("admin", "group.delete", "visitors")
    assert not Group.objects.filter(name__in=["guests", "visitors"]).exists()


def test_people_are_not_deleted(browser, db):
    ada = User.objects.create_user("ada")
    assert browser.post(f"/auth/user/{ada.pk}/delete/", {"post": "yes"}).status_code == 403
    browser.post("/auth/user/", {"action": "delete_selected", "_selected_action": ada.pk, "post": "yes"})
    assert User.objects.filter(username="ada").exists()


def test_the_log_is_read_and_searched_and_not_written(client, adam, flow):
    device_create(name="pump-1", actor="ada")
    page = client.get("/inference/controllog/").content.decode()
    for said in ("ada", "device.create", "pump-1", "line-1.0.0 answers", "The first champion"):
        assert said in page
    assert "pump-1" not in client.get("/inference/controllog/?q=flow").content.decode()
    assert "pump-1" in client.get("/inference/controllog/?actor=ada").content.decode()
    row = ControlLog.objects.get(action="version.deploy")
    page = client.get(f"/inference/controllog/{row.pk}/change/").content.decode()
    assert f"/inference/deployment/{row.deployment_id}/change/" in page
    assert client.get("/inference/controllog/add/").status_code == 403
    assert client.post(f"/inference/controllog/{row.pk}/change/", {"actor": "eve"}).status_code == 403
    assert client.post(f"/inference/controllog/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_log_is_for_admins(client, flow):
    for group in (VIEWER, OPERATOR):
        person = User.objects.create_user(group, is_staff=True)
        person.groups.add(Group.objects.get(name=group))
        client.force_login(person)
        assert client.get("/inference/controllog/").status_code == 403
        assert client.get("/").content.decode().count("/inference/controllog/") == 0


def test_the_list_says_how_many_entries_there_are(client, adam):
    for number, said in enumerate(("1 control log entry", "2 control log entries"), 1):
        device_create(name=f"pump-{number}", actor="test")
        page = client.get("/inference/controllog/?action=device.create").content.decode()
        assert said in " ".join(page.split())
