"""What all pages have in common for whoever looks at them for the first time."""

import pytest

from inference.models import Deployment, Endpoint, Version
from inference.services import device_create


@pytest.fixture
def browser(client, admin_user):
    """A browser whose user may do everything."""
    client.force_login(admin_user)
    return client


def _page(browser, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_who_is_not_logged_in_reads_what_foretell_is(client, db):
    assert "Foretell answers readings of devices and questions of programs" in _page(client, "/login/")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("prediction", "Nothing was predicted in the last 7 days. Try an endpoint"),
        ("feedback", "is said at a prediction&#x27;s page"),
        ("rejection", "No reading was refused"),
        ("note", "Notes are written at the page of"),
        ("endpoint", "`manage.py deploy` brings in"),
        ("version", "`manage.py deploy` brings in"),
        ("deployment", "Deploy a version at its endpoint&#x27;s page"),
        ("device", "Add one to get the credential"),
        ("credential", "A new device gets its first one"),
    ],
)
def test_an_empty_list_says_what_to_do_next(browser, db, model, said):
    assert said in _page(browser, f"/inference/{model}/")


def test_a_search_without_a_result_does_not_say_that_there_is_nothing(browser, db):
    page = _page(browser, "/inference/device/?q=nothing")
    assert "Nothing fits" in page
    assert "Add one to get" not in page


def test_times_are_written_as_the_records_have_them(browser, db):
    flow = Endpoint.objects.create(slug="flow", name="Flow", folder="flow", signature={}, signature_digest="x")
    version = Version.objects.create(
        endpoint=flow, algorithm="line", major=1, minor=0, patch=0, digest="x", signature_digest="x", manifest={}
    )
    Deployment.objects.create(
        endpoint=flow, version=version, started_at="2026-01-02T15:04:05Z", actor="ada", reason="It is better."
    )
    assert "2026-01-02 15:04:05 UTC" in _page(browser, "/inference/deployment/")


@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("/inference/prediction/", "Predictions"),
        ("/auth/user/", "Users"),
        ("/password_reset/", "A new password"),
    ],
)
def test_a_window_is_named_after_what_it_shows(browser, db, address, title):
    assert f"<title> {title} | Foretell" in _page(browser, address)


def test_the_list_of_all_devices_does_not_offer_to_show_all(browser, db):
    device_create(name="pump-1", actor="test")
    device_create(name="mill-1", actor="test")
    assert "Show all" not in _page(browser, "/inference/device/")
    assert "1 result " in _page(browser, "/inference/device/?q=pump")


def test_a_phone_names_the_first_value_of_an_endpoint(browser, db):
    Endpoint.objects.create(slug="flow", name="Flow", folder="flow", signature={}, signature_digest="x")
    page = _page(browser, "/inference/endpoint/")
    assert 'data-label="Endpoint"' in page
    assert "Select record" not in page
