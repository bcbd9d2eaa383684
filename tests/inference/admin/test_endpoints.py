"""The pages of an endpoint: what it asks, its versions, how to connect; and deploying with a reason."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.test import Client

from inference.engine.store import FolderStore
from inference.models import Deployment, Endpoint, Role, Version
from inference.services import release_deploy, version_deploy
from tests.inference import tiny

PAGE = "/endpoints/flow/"
DEPLOY = f"{PAGE}versions/slow-1.0.0/deploy/"


@pytest.fixture
def flow(tmp_path, db) -> Endpoint:
    """`flow`, where `line-1.0.0` answers, `slow-1.0.0` would fit, and `wide-1.0.0` asks for more."""
    folder = tiny.write_endpoint(tmp_path / "artifacts", champion="line")
    tiny.write_version(folder)
    tiny.write_version(folder, "slow", slope=2.0)
    tiny.write_version(folder, "wide", names="abc")
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(tmp_path / "store"), actor="test")
    return Endpoint.objects.get()


@pytest.fixture
def as_one_who_may(client, db):
    """A browser whose user has exactly these permissions."""

    def as_one_who_may(*codenames):
        user = User.objects.create_user("eve", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        assert user.user_permissions.count() == len(codenames)
        client.force_login(user)
        return client

    return as_one_who_may


def _page(browser, address, status=200):
    answer = browser.get(address)
    assert answer.status_code == status
    return answer.content.decode()


def _live():
    return Deployment.objects.get(role=Role.CHAMPION, ended_at=None).version.tag


def test_the_list_leads_to_the_page(browser, flow):
    assert f'href="{PAGE}"' in _page(browser, "/inference/endpoint/")


def test_a_window_is_named_after_the_page_and_the_endpoint(browser, flow):
    for address, said in ((PAGE, "Overview"), (f"{PAGE}versions/", "Versions"), (f"{PAGE}connect/", "Connect")):
        assert f"<title> {said} | Flow | " in _page(browser, address)


def test_the_page_tells_what_is_asked_and_answered_and_what_was_live(browser, flow):
    page = _page(browser, PAGE)
    for shown in ("-100 to 100", "regression", "l/s", "line-1.0.0", "The first champion", "by test"):
        assert shown in page


def test_an_endpoint_without_a_champion_says_what_to_do(browser, flow):
    flow.deployments.update(ended_at="2100-01-01T00:00Z")
    assert "no version is live" in _page(browser, PAGE)
    assert "Nothing answers here" in _page(browser, f"{PAGE}try/")
    assert "No version is live" in _page(browser, f"{PAGE}connect/")
    assert "Deploy…" in _page(browser, f"{PAGE}versions/")


def test_versions_stand_side_by_side_with_their_metrics(browser, flow):
    page = _page(browser, f"{PAGE}versions/")
    for shown in ("line-1.0.0", "slow-1.0.0", "wide-1.0.0", "r2", "0.5", "other inputs or outputs"):
        assert shown in page
    assert "Roll back" not in page


def test_the_model_card_is_a_page_and_a_file(browser, flow):
    version = flow.versions.get(algorithm="line")
    assert version.digest in _page(browser, f"{PAGE}versions/line-1.0.0/")
    file = browser.get(f"{PAGE}versions/line-1.0.0/card.md")
    assert file.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert file.headers["Content-Disposition"] == 'attachment; filename="flow-line-1.0.0.md"'
    assert version.digest in file.content.decode()


@pytest.mark.parametrize(
    "address", ["/endpoints/none/", f"{PAGE}versions/none-1.0.0/", f"{PAGE}versions/x/card.md", f"{PAGE}nothing/"]
)
def test_what_is_not_there_is_not_found(browser, flow, address):
    _page(browser, address, 404)


def test_snippets_carry_the_address_of_the_caller(browser, flow, settings):
    settings.ALLOWED_HOSTS = ["foretell.example"]
    secure = {"secure": True, "headers": {"host": "foretell.example"}}
    page = browser.get(f"{PAGE}connect/", **secure).content.decode()
    assert "https://foretell.example/api/v1/endpoints/flow/predict" in page
    assert "wss://foretell.example/ws/v1/endpoints/flow/stream" in page
    assert "ft_YOUR_CREDENTIAL" in page
    assert not re.search(r"ft_[a-z0-9]{8}_", page)


def test_deploying_needs_a_reason_and_names_who_did_it(browser, flow):
    said = {"instead_of": "line-1.0.0", "reason": "  "}
    assert browser.post(DEPLOY, said).status_code == 400
    assert _live() == "line-1.0.0"
    answer = browser.post(DEPLOY, said | {"reason": "It is better."})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{PAGE}versions/")
    row = Deployment.objects.get(ended_at=None)
    assert (row.version.tag, row.actor, row.reason) == ("slow-1.0.0", "admin", "It is better.")
    page = _page(browser, f"{PAGE}versions/")
    assert "Roll back to line-1.0.0" in page
    assert "It is better." in page


def test_rolling_back_is_deploying_the_one_before(browser, flow):
    version_deploy(endpoint=flow, version=flow.versions.get(algorithm="slow"), actor="test", reason="x")
    address = f"{PAGE}versions/line-1.0.0/deploy/"
    assert "Roll back to line-1.0.0" in _page(browser, address)
    browser.post(address, {"instead_of": "slow-1.0.0", "reason": "It was better."})
    assert _live() == "line-1.0.0"


def test_who_did_not_see_a_newer_deployment_is_told_first(browser, flow):
    answer = browser.post(DEPLOY, {"instead_of": "other-1.0.0", "reason": "x"})
    assert answer.status_code == 409
    assert "Meanwhile line-1.0.0 went live" in answer.content.decode()
    assert _live() == "line-1.0.0"


def test_what_goes_live_while_a_form_waits_its_turn_is_told_first(clean_tables, tmp_path):
    folder = tiny.write_endpoint(tmp_path / "artifacts", champion="line")
    for algorithm, number in (("line", "1.0.0"), ("slow", "1.0.0"), ("line", "1.1.0")):
        tiny.write_version(folder, algorithm, number=number)
        release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(tmp_path / "store"), actor="test")
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))

    def send():
        try:
            return browser.post(DEPLOY, {"instead_of": "line-1.0.0", "reason": "It is better."})
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as others:
        with transaction.atomic(), connection.cursor() as cursor:
            newer = Version.objects.get(algorithm="line", minor=1)
            version_deploy(endpoint=newer.endpoint, version=newer, actor="eve", reason="faster")
            answer, waits = others.submit(send), False
            while not waits:
                assert not answer.done()
                cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
                waits = cursor.fetchone()[0]
        assert answer.result(20).status_code == 409
    assert "Meanwhile line-1.1.0 went live" in answer.result().content.decode()
    assert _live() == "line-1.1.0"


def test_another_signature_goes_live_by_an_explicit_tick_only(browser, flow):
    address, said = f"{PAGE}versions/wide-1.0.0/deploy/", {"instead_of": "line-1.0.0", "reason": "Wider."}
    page = _page(browser, address)
    assert 'name="major"' in page
    assert "c is new: float -100 to 100." in page
    answer = browser.post(address, said)
    assert answer.status_code == 409
    assert "Tick the box" in answer.content.decode()
    assert "--major" not in answer.content.decode()
    assert _live() == "line-1.0.0"
    browser.post(address, said | {"major": "1"})
    assert _live() == "wide-1.0.0"


def test_nothing_goes_live_on_a_retired_endpoint(browser, flow):
    Endpoint.objects.update(retired_at="2026-01-01T00:00Z")
    assert browser.post(DEPLOY, {"instead_of": "line-1.0.0", "reason": "x"}).status_code == 409
    assert "Deploy…" not in _page(browser, f"{PAGE}versions/")


def test_a_forged_form_is_refused(flow, admin_user):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin_user)
    assert browser.post(DEPLOY, {"instead_of": "line-1.0.0", "reason": "x"}).status_code == 403
    assert _live() == "line-1.0.0"


def test_who_may_look_may_not_deploy(as_one_who_may, flow):
    browser = as_one_who_may("view_endpoint")
    page = _page(browser, f"{PAGE}versions/")
    assert "slow-1.0.0" in page
    assert "Deploy…" not in page
    _page(browser, DEPLOY, 403)
    assert browser.post(DEPLOY, {"instead_of": "line-1.0.0", "reason": "x"}).status_code == 403
    assert "Try it" not in page
    _page(browser, f"{PAGE}try/", 403)
    assert browser.post(f"{PAGE}try/", {}).status_code == 403
    assert browser.post(f"{PAGE}try/credential/").status_code == 403
    assert _live() == "line-1.0.0"


def test_an_endpoint_of_somebody_else_is_deployed_by_them(as_one_who_may, flow, admin_user):
    Endpoint.objects.update(owner=admin_user)
    browser = as_one_who_may("view_endpoint", "deploy_version")
    assert browser.post(DEPLOY, {"instead_of": "line-1.0.0", "reason": "x"}).status_code == 403
    Endpoint.objects.update(owner=User.objects.get(username="eve"))
    assert browser.post(DEPLOY, {"instead_of": "line-1.0.0", "reason": "x"}).status_code == 302


@pytest.mark.parametrize(
    "name", ["", "versions/", "versions/line-1.0.0/", "connect/", "try/", "versions/line-1.0.0/card.md"]
)
def test_strangers_log_in_and_people_without_permissions_see_nothing(client, as_one_who_may, flow, name):
    answer = client.get(PAGE + name)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/login/?next={PAGE}{name}")
    _page(as_one_who_may(), PAGE + name, 403)


def test_manifests_are_not_read_for_the_side_by_side(browser, flow, django_assert_max_num_queries):
    with django_assert_max_num_queries(9) as queries:
        _page(browser, f"{PAGE}versions/")
    assert not any(re.search(r'"inference_version"\."manifest"(,| FROM)', query["sql"]) for query in queries)
    assert Version.objects.count() == 3
