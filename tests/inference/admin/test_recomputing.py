"""A stored prediction, computed again at a click."""

import pytest
from django.contrib.auth.models import Permission, User

from inference.models import Prediction


@pytest.fixture(autouse=True)
def _store(settings, tmp_path):
    settings.STORE_DIR = tmp_path / "store"


def _recomputed(browser, stored) -> str:
    answer = browser.post(f"/predictions/{stored.pk}/recompute/", follow=True)
    assert answer.redirect_chain == [(f"/inference/prediction/{stored.pk}/change/", 302)]
    return answer.content.decode()


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (3.75, "Bit-equal: line-1.0.0 says 3.75 now."),
        (3.75001, "Equal within tolerance: line-1.0.0 says 3.75 now, and 3.75001 is stored."),
        (4, "Different: line-1.0.0 says 3.75 now, and 4 is stored."),
    ],
)
def test_the_verdict_is_told(browser, predict, value, verdict):
    stored = predict(output={"value": value})
    assert "Re-compute now" in browser.get(f"/inference/prediction/{stored.pk}/change/").content.decode()
    assert verdict in _recomputed(browser, stored)
    assert Prediction.objects.get().output == {"value": value}


def test_a_failed_prediction_has_nothing_to_compare(browser, predict):
    stored = predict(output=None, error="model_error")
    assert "Re-compute now" not in browser.get(f"/inference/prediction/{stored.pk}/change/").content.decode()
    assert "nothing to compare" in _recomputed(browser, stored)


def test_a_version_whose_files_changed_is_not_asked(browser, predict, settings):
    stored = predict()
    model = settings.STORE_DIR / "sha256" / stored.version.digest.removeprefix("sha256:") / "model.onnx"
    model.chmod(0o600)
    model.write_bytes(b"")
    assert "could not be computed again" in _recomputed(browser, stored)


def test_it_is_asked_for_by_a_form_and_by_who_may_see_it(client, browser, predict):
    address = f"/predictions/{predict().pk}/recompute/"
    assert browser.get(address).status_code == 405
    user = User.objects.create_user("eve", is_staff=True)
    client.force_login(user)
    assert client.post(address).status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename="view_prediction"))
    assert client.post(address).status_code == 302


def test_a_prediction_that_is_gone_is_not_found(browser, db):
    assert browser.post("/predictions/0198c0de-0000-7000-8000-000000000000/recompute/").status_code == 404
