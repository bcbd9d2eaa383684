"""The pages of endpoints, versions and deployments."""

import pytest

from inference.models import Deployment, Endpoint


def _page(browser, address):
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_endpoints_are_shown_with_their_champion_and_inputs(browser, flow):
    assert "line-1.0.0" in _page(browser, "/inference/endpoint/")
    page = _page(browser, f"/inference/endpoint/{flow.pk}/change/")
    assert "float, -100 to 100" in page
    assert "regression" in page


def test_an_endpoint_is_retired_and_owned_here_and_described_in_git(browser, flow, admin_user):
    here = {"owner": admin_user.pk, "promotion": "deploy", "retired_at_0": "2026-01-01", "retired_at_1": "0:00"}
    browser.post(f"/inference/endpoint/{flow.pk}/change/", {"slug": "other", "audit": "off"} | here)
    flow.refresh_from_db()
    assert (flow.slug, flow.audit, flow.owner, flow.promotion) == ("flow", "strict", admin_user, "deploy")
    assert flow.retired_at is not None


def test_an_endpoint_can_be_neither_added_nor_deleted(browser, flow):
    assert browser.get("/inference/endpoint/add/").status_code == 403
    assert browser.post(f"/inference/endpoint/{flow.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Endpoint.objects.exists()


def test_a_version_is_shown_with_its_metrics_and_how_it_was_made(browser, flow):
    assert "r2" in _page(browser, "/inference/version/")
    page = _page(browser, f"/inference/version/{flow.versions.get().pk}/change/")
    for shown in ("sha256:", "r2", "0.5", "slope", "rows.csv", "onnx"):
        assert shown in page


def test_the_history_tells_who_and_why(browser, flow):
    page = _page(browser, "/inference/deployment/")
    assert "The first champion" in page
    assert "line-1.0.0" in page
    _page(browser, f"/inference/deployment/{Deployment.objects.get().pk}/change/")


@pytest.mark.parametrize(
    "model", ["endpoint", "version", "deployment", "device", "credential", "prediction", "rejection"]
)
def test_a_stranger_is_asked_to_log_in(client, model, db):
    answer = client.get(f"/inference/{model}/")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login/")
