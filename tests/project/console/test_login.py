"""Getting in: how often it may be tried, and a new password by mail."""

import re
import threading

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection

from inference.models import ControlLog
from project.console.login import TOO_OFTEN, mails
from project.console.throttle import LOGIN_AS, LOGIN_FROM, LOGIN_OF_ONE, RESET_TO, Limit, place
from project.models import Attempts

PASSWORD = "correct horse battery"


class Slow(EmailBackend):
    """A mail server that takes its time."""

    gate = threading.Event()

    def send_messages(self, messages):
        assert self.gate.wait(20)
        return super().send_messages(messages)


@pytest.fixture
def ada(db):
    return User.objects.create_user("ada", "ada@example.com", PASSWORD, is_staff=True)


def _log_in(client, name="ada", password=PASSWORD, address="10.0.0.1"):
    client.logout()
    return client.post("/login/", {"username": name, "password": password}, REMOTE_ADDR=address)


def test_after_too_many_tries_even_the_right_password_is_not_looked_at(client, ada):
    for _ in range(LOGIN_OF_ONE.tries):
        answer = _log_in(client, password="wrong")
        assert TOO_OFTEN not in answer.content.decode()
    answer = _log_in(client)
    assert TOO_OFTEN in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_the_owner_gets_in_from_elsewhere(client, ada):
    for _ in range(LOGIN_OF_ONE.tries + 1):
        _log_in(client, password="wrong")
    assert _log_in(client, address="10.0.0.2").status_code == 302


def test_getting_in_begins_a_new_count(client, ada):
    for _ in range(3):
        for _ in range(LOGIN_OF_ONE.tries - 1):
            _log_in(client, password="wrong")
        assert _log_in(client).status_code == 302


def test_writing_a_name_otherwise_is_no_new_name(client, ada):
    for name in ("ada", "Ada", "ADA", "aDa", "adA", "ADa"):
        answer = _log_in(client, name=name, password="wrong")
    assert TOO_OFTEN in answer.content.decode()


def test_many_names_from_one_address_are_held_too(client, ada):
    for number in range(LOGIN_FROM.tries):
        _log_in(client, name=f"somebody-{number}", password="wrong")
    assert TOO_OFTEN in _log_in(client).content.decode()


def test_one_name_from_many_addresses_is_held_too(client, ada):
    for number in range(LOGIN_AS.tries):
        LOGIN_AS.spent("ada")
        assert number < LOGIN_AS.tries
    assert TOO_OFTEN in _log_in(client).content.decode()


def test_a_name_nobody_has_is_answered_the_same(client, ada):
    pages = []
    for name in ("ada", "nobody"):
        answers = [_log_in(client, name=name, password="wrong", address=f"10.1.{name == 'ada':d}.1") for _ in range(6)]
        pages.append([re.sub(r'value="[^"]*"', "", answer.content.decode()) for answer in answers])
    assert pages[0] == pages[1]


def test_what_was_typed_is_stored_nowhere(client, ada):
    _log_in(client, name="my-secret-password", password="wrong")
    assert Attempts.objects.count() == 3
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(a::text, '') FROM project_attempts a")
        assert "my-secret" not in cursor.fetchone()[0]


def test_the_window_ends(ada):
    limit = Limit("test", 1, LOGIN_OF_ONE.window)
    assert [limit.spent("ada"), limit.spent("ada")] == [False, True]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE project_attempts SET began_at = began_at - interval '16 minutes'")
    assert not limit.spent("ada")


def test_many_at_once_are_held_to_the_limit(clean_tables):
    limit, together, let_in = Limit("test", 5, LOGIN_OF_ONE.window), threading.Barrier(12), []

    def attempt():
        try:
            together.wait()
            let_in.append(not limit.spent("ada"))
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(let_in) == [False] * 7 + [True] * 5


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("", "", True),
    ],
)
def test_what_counts_as_one_place(rf, one, other, same):
    places = [place(rf.get("/", REMOTE_ADDR=address)) for address in (one, other)]
    assert (places[0] == places[1]) is same


def _ask(client, address="ada@example.com"):
    return client.post("/password_reset/", {"email": address})


def _sent():
    """All mails that were asked for."""
    mails.submit(lambda: None).result(20)
    return mail.outbox


def test_a_new_password_comes_by_mail_and_is_written_down(client, ada):
    assert "password_reset" in client.get("/login/").content.decode()
    assert _ask(client).headers["Location"] == "/password_reset/sent/"
    (said,) = _sent()
    assert (said.to, said.subject) == (["ada@example.com"], "A new password for Foretell")
    link = re.search(r"http://testserver(/password_reset/\S+)", said.body)[1]
    page = client.get(link, follow=True)
    form = page.redirect_chain[-1][0]
    answer = client.post(form, {"new_password1": "staple 12 tree", "new_password2": "staple 12 tree"}, follow=True)
    assert "Your new password is set" in answer.content.decode()
    assert _log_in(client, password="staple 12 tree").status_code == 302
    assert "This link is over" in client.get(link, follow=True).content.decode()
    row = ControlLog.objects.get()
    assert (row.actor, row.action, row.object_name) == ("ada", "user.password", "ada")


def test_asking_for_a_stranger_is_answered_the_same_and_sends_nothing(client, ada):
    known, unknown = _ask(client), _ask(client, "eve@example.com")
    assert (known.status_code, known.headers["Location"]) == (unknown.status_code, unknown.headers["Location"])
    assert len(_sent()) == 1


def test_the_answer_does_not_wait_for_the_mail_which_strangers_have_none_of(client, ada, settings):
    settings.EMAIL_BACKEND = f"{__name__}.Slow"
    assert _ask(client).status_code == 302
    assert mail.outbox == []
    Slow.gate.set()
    assert [said.to for said in _sent()] == [["ada@example.com"]]


def test_a_mailbox_is_not_flooded(client, ada):
    for _ in range(RESET_TO.tries + 2):
        assert _ask(client).status_code == 302
    assert len(_sent()) == RESET_TO.tries


def test_a_weak_password_is_refused_with_the_reason(client, ada):
    _ask(client)
    link = re.search(r"http://testserver(/password_reset/\S+)", _sent()[0].body)[1]
    form = client.get(link, follow=True).redirect_chain[-1][0]
    page = client.post(form, {"new_password1": "ada", "new_password2": "ada"}).content.decode()
    assert "too short" in page
    assert not ControlLog.objects.exists()


def test_ones_own_password_is_changed_and_that_is_written_down(client, ada):
    client.force_login(ada)
    said = {"old_password": PASSWORD, "new_password1": "staple 12 tree", "new_password2": "staple 12 tree"}
    client.post("/password_change/", said | {"old_password": "wrong"})
    assert not ControlLog.objects.exists()
    assert client.post("/password_change/", said).status_code == 302
    row = ControlLog.objects.get()
    assert (row.actor, row.action) == ("ada", "user.password")


def test_every_answer_carries_a_number_of_its_own(client, ada):
    one, other = client.get("/login/"), client.get("/login/", headers={"X-Request-ID": "mine"})
    assert one.headers["X-Request-ID"] != other.headers["X-Request-ID"] != "mine"


def test_who_may_not_is_told_so_in_words(client, ada):
    client.force_login(ada)
    answer = client.get("/auth/user/")
    assert answer.status_code == 403
    assert "ada, you may not open or do this" in " ".join(answer.content.decode().split())
