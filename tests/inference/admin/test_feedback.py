"""The pages of feedback: they show what was told and change nothing."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inference.models import Feedback
from inference.services import feedback_give

LIST = "/inference/feedback/"


@pytest.fixture
def told(predict, admin_user):
    """What the administrator told of a prediction, corrected once."""
    prediction = predict()
    for value in (3.5, 4.25):
        feedback_give(prediction=prediction, value=value, user=admin_user)
    return prediction


def _page(browser, address, status=200):
    answer = browser.get(address)
    assert answer.status_code == status
    return answer.content.decode()


def test_the_list_shows_what_was_told_of_what_by_whom(browser, told):
    page = _page(browser, LIST)
    for shown in ("flow", "3.5", "4.25", "user:admin", str(told.pk)):
        assert shown in page


def test_a_prediction_s_feedback_is_found_by_its_id(browser, told):
    assert "4.25" in _page(browser, f"{LIST}?q={told.pk}")
    for other in (uuid.uuid4(), "nothing"):
        assert "4.25" not in _page(browser, f"{LIST}?q={other}")


def test_a_row_s_page_leads_to_the_prediction(browser, told):
    page = _page(browser, f"{LIST}{Feedback.objects.first().pk}/change/")
    assert f"/inference/prediction/{told.pk}/change/" in page
    assert "4.25" in page


def test_the_prediction_s_page_shows_its_feedback(browser, told):
    page = _page(browser, f"/inference/prediction/{told.pk}/change/")
    assert "user:admin" in page
    assert "4.25" in page


def test_the_list_costs_the_same_for_many_rows(browser, told, admin_user):
    with CaptureQueriesContext(connection) as few:
        _page(browser, LIST)
    for value in range(20):
        feedback_give(prediction=told, value=value, user=admin_user)
    with CaptureQueriesContext(connection) as many:
        _page(browser, LIST)
    assert len(many) == len(few)


def test_nobody_changes_or_deletes_what_was_told(browser, told):
    row = Feedback.objects.first()
    assert browser.post(f"{LIST}{row.pk}/change/", {"value": "1"}).status_code == 403
    assert browser.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert browser.get(f"{LIST}add/").status_code == 403
