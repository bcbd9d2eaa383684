"""The pages of refusals and failures."""

import uuid

import pytest
from django.db import DatabaseError, connection
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


@pytest.mark.parametrize(
    ("method", "address", "says"),
    [
        ("get", "/", "Load this page again in a moment."),
        ("get", "/jobs/", "Load this page again in a moment."),
        ("post", "/jobs/query/", "look whether it is there"),
        ("post", "/login/", "look whether it is there"),
    ],
)
def test_a_database_that_is_away_is_a_page_that_says_so(no_database, caplog, method, address, says):
    browser = Client(raise_request_exception=False)
    browser.cookies["sessionid"] = "x" * 32
    answer = getattr(browser, method)(address, {"username": "ada", "password": "x"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    page = answer.content.decode()
    assert "The database can't be reached now" in page
    assert "Nothing that was stored is lost." in page
    assert says in page
    (told,) = [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert "the database can't be reached" in told.getMessage()
    assert told.exc_info is None


@pytest.mark.parametrize(
    ("failing", "status"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", 503),
        ("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(9)", 500),
        ("SELECT 1 / 0", 500),
    ],
)
def test_only_a_lost_connection_is_a_database_that_is_away(dsn, django_db_blocker, rf, failing, status):
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        try:
            cursor.execute(failing)
        except DatabaseError:
            answer = server_error(rf.get("/"))
        connection.close()
    assert answer.status_code == status
