"""What people say was true of a prediction, at its page."""

import pytest
from django.contrib.auth.models import Permission, User

from inference.ids import prediction_id
from inference.models import Feedback, Prediction, Version
from inference.services import feedback_give


def _said() -> list[tuple]:
    return list(Feedback.objects.order_by("id").values_list("source", "revision", "value"))


def _told(answer) -> str:
    """The page behind an answer, in one line."""
    return " ".join(answer.content.decode().split())


@pytest.fixture
def answered(flow, predict):
    """Store a prediction of a version that answers something else than a number."""

    def answered(labels: list[str], /, **output) -> Prediction:
        manifest = flow.versions.get().manifest
        manifest["signature"]["output"] = output
        kind = {"algorithm": "kind", "major": 1, "minor": 0, "patch": 0, "digest": "x", "signature_digest": "x"}
        version = Version.objects.create(endpoint=flow, manifest=manifest, **kind)
        return predict(version=version, output={"label": labels[0], "scores": {labels[0]: 1}})

    return answered


def test_a_number_is_said_corrected_and_listed_with_its_revisions(browser, predict):
    stored = predict()
    page, said = f"/inference/prediction/{stored.pk}/change/", f"/predictions/{stored.pk}/feedback/"
    assert "Nobody has said yet" in _told(browser.get(page))
    assert "as revision 1" in _told(browser.post(said, {"value": " 3.5 "}, follow=True))
    answer = browser.post(said, {"value": "4e1"}, follow=True)
    assert answer.redirect_chain == [(page, 302)]
    shown = _told(answer)
    for part in ("as revision 2", "user:admin, revision 1, corrected since", "user:admin, revision 2</span>", "40"):
        assert part in shown
    assert _said() == [("user:admin", 1, 3.5), ("user:admin", 2, 40)]
    assert "Nothing was added" in _told(browser.post(said, {"value": "40.0"}, follow=True))
    assert len(_said()) == 2


@pytest.mark.parametrize(
    ("value", "reason"), [("", "expects a number"), ("3,5", "3,5"), ("1e999", "finite"), ("x", "x")]
)
def test_what_is_no_number_comes_back_in_the_form_with_the_reason(browser, predict, value, reason):
    answer = browser.post(f"/predictions/{predict().pk}/feedback/", {"value": value})
    assert answer.status_code == 422
    page = _told(answer)
    assert 'role="alert"' in page
    assert reason in page.split('role="alert"')[1]
    assert f'name="value" value="{value}"' in page
    assert _said() == []


@pytest.mark.parametrize(
    ("output", "labels"),
    [
        ({"kind": "classification", "labels": ["normal", "fault"]}, ["normal", "fault"]),
        ({"kind": "anomaly"}, ["normal", "anomaly"]),
    ],
)
def test_a_label_is_chosen_of_those_that_can_be_true(browser, answered, output, labels):
    stored = answered(labels, **output)
    said = f"/predictions/{stored.pk}/feedback/"
    page = _told(browser.get(said))
    for label in labels:
        assert f"<option>{label}</option>" in page
    assert browser.post(said, {"value": labels[1]}).status_code == 302
    for value in ("", "perhaps", "1"):
        answer = browser.post(said, {"value": value})
        assert answer.status_code == 422
        assert "one of normal" in _told(answer)
    assert _said() == [("user:admin", 1, labels[1])]


def test_several_people_s_words_stand_side_by_side_and_each_one_s_last_counts(browser, predict):
    stored = predict()
    ada = User.objects.create_user("ada")
    for value in (1, 2):
        feedback_give(prediction=stored, value=value, user=ada)
    browser.post(f"/predictions/{stored.pk}/feedback/", {"value": "3"})
    page = _told(browser.get(f"/inference/prediction/{stored.pk}/change/"))
    assert page.count("corrected since") == 1
    assert "user:ada, revision 2</span>" in page
    assert "user:admin, revision 1</span>" in page


def test_a_prediction_that_is_gone_is_not_found(browser, db):
    for ask in (browser.get, browser.post):
        assert ask(f"/predictions/{prediction_id()}/feedback/").status_code == 404


def test_who_may_only_look_reads_what_was_said_and_gets_no_form(client, predict, admin_user):
    stored = predict()
    feedback_give(prediction=stored, value=3.5, user=admin_user)
    eve = User.objects.create_user("eve", is_staff=True)
    eve.user_permissions.set(Permission.objects.filter(codename__in=["view_prediction", "view_feedback"]))
    client.force_login(eve)
    page = _told(client.get(f"/inference/prediction/{stored.pk}/change/"))
    assert "user:admin, revision 1" in page
    assert "truth-value" not in page
    assert client.post(f"/predictions/{stored.pk}/feedback/", {"value": "1"}).status_code == 403
    eve.user_permissions.set(Permission.objects.filter(codename="view_prediction"))
    assert "user:admin" not in _told(client.get(f"/inference/prediction/{stored.pk}/change/"))
