"""The pages of refusals and failures."""

import uuid

import pytest
from django.test import Client

from inference.services.control import request_id
from project.console.refusals import server_error


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        ("/nowhere/", 404, "There is nothing at this address"),
        ("/endpoints/%00/", 404, "There is nothing at this address"),
        ("/inference/device/?q=%00", 400, "This request can&#x27;t be read"),
    ],
)
def test_a_refusal_is_a_page_that_leads_back(admin_client, address, status, says):
    answer = admin_client.get(address)
    assert answer.status_code == status
    assert says in answer.content.decode().replace("'", "&#x27;")
    assert 'href="/"' in answer.content.decode()


def test_a_failure_of_ours_says_the_requests_number(rf):
    number = uuid.uuid4()
    mark = request_id.set(number)
    try:
        answer = server_error(rf.get("/"))
    finally:
        request_id.reset(mark)
    assert answer.status_code == 500
    assert f"<code>{number}</code>" in answer.content.decode()


def test_a_form_from_before_the_login_says_what_to_do(db):
    answer = Client(enforce_csrf_checks=True).post("/login/", {"username": "ada", "password": "x"})
    assert answer.status_code == 403
    page = answer.content.decode()
    assert "load the page anew and send it again" in page
    assert "DEBUG" not in page
