"""Notes on endpoints, versions and predictions: written where the thing is shown, never changed."""

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, connection, transaction

from inference.models import ControlLog, Note
from inference.permissions import ADMIN, DATA_SCIENTIST, OPERATOR, VIEWER


@pytest.fixture
def enter(client, db):
    """Log in as somebody of a group: `enter("ada", OPERATOR)`."""

    def enter(name, group):
        person, new = User.objects.get_or_create(username=name, defaults={"is_staff": True})
        if new:
            person.groups.add(Group.objects.get(name=group))
        client.force_login(person)
        return person

    return enter


@pytest.fixture
def things(predict, flow):
    """One of each kind: its name and its page."""
    stored = predict()
    return {
        "endpoint": (flow.pk, f"/inference/endpoint/{flow.pk}/change/"),
        "version": (flow.versions.get().pk, f"/inference/version/{flow.versions.get().pk}/change/"),
        "prediction": (stored.pk, f"/inference/prediction/{stored.pk}/change/"),
    }


@pytest.mark.parametrize("page", ["/endpoints/flow/", "/endpoints/flow/versions/line-1.0.0/"])
def test_the_consoles_own_pages_show_and_take_notes(client, enter, things, page):
    enter("ada", DATA_SCIENTIST)
    pk, _ = things["version" if "versions" in page else "endpoint"]
    action = f"/inference/note/on/{'version' if 'versions' in page else 'endpoint'}/{pk}/"
    assert action in client.get(page).content.decode()
    assert "odd spike" in client.post(action, {"text": "odd spike", "next": page}, follow=True).content.decode()


@pytest.mark.parametrize("kind", ["endpoint", "version", "prediction"])
def test_a_note_is_written_and_shown_where_the_thing_is(client, enter, things, kind):
    ada = enter("ada", DATA_SCIENTIST)
    pk, page = things[kind]
    assert "No notes yet" in client.get(page).content.decode()
    answer = client.post(f"/inference/note/on/{kind}/{pk}/", {"text": "odd <b>spike</b>\r\nat noon", "next": page})
    assert answer.headers["Location"] == page
    shown = client.get(page).content.decode()
    assert "odd &lt;b&gt;spike&lt;/b&gt;\nat noon" in shown
    note = Note.objects.get()
    assert (note.author, note.text) == (ada, "odd <b>spike</b>\nat noon")
    assert str(pk) in {str(note.endpoint_id), str(note.version_id), str(note.prediction_id)}
    assert "odd" in client.get("/inference/note/").content.decode()


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 4001])
def test_no_text_and_too_much_of_it_is_refused_in_a_sentence(client, enter, things, text):
    enter("ada", OPERATOR)
    pk, page = things["endpoint"]
    answer = client.post(f"/inference/note/on/endpoint/{pk}/", {"text": text, "next": page}, follow=True)
    assert not Note.objects.exists()
    assert "cannot be blank" in answer.content.decode() or "at most 4000" in answer.content.decode()


def test_a_viewer_reads_and_writes_not(client, enter, things):
    pk, page = things["endpoint"]
    enter("grace", DATA_SCIENTIST)
    client.post(f"/inference/note/on/endpoint/{pk}/", {"text": "odd spike"})
    enter("vera", VIEWER)
    shown = client.get(page).content.decode()
    assert "odd spike" in shown
    assert "Write a note" not in shown
    assert "Take away" not in shown
    assert client.post(f"/inference/note/on/endpoint/{pk}/", {"text": "mine"}).status_code == 403
    assert Note.objects.count() == 1


def test_whoever_takes_a_note_away_opens_the_button_first_and_is_told(client, enter, things):
    pk, page = things["endpoint"]
    enter("ada", OPERATOR)
    client.post(f"/inference/note/on/endpoint/{pk}/", {"text": "odd spike"})
    closed = client.get(page).content.decode().split("<details")[-1].split("</details>")[0]
    assert "Its words are kept nowhere else." in closed
    assert "Take it away for good</button>" in closed
    gone = client.post(f"/inference/note/{Note.objects.get().pk}/take-away/", {"next": page}, follow=True)
    assert "The note is gone." in gone.content.decode()


def test_a_note_is_taken_away_by_its_author_or_an_admin_and_the_log_tells(client, enter, things):
    pk, page = things["endpoint"]
    for name, group, status in (("ada", DATA_SCIENTIST, 302), ("olga", OPERATOR, 403), ("adam", ADMIN, 302)):
        enter("ada", DATA_SCIENTIST)
        client.post(f"/inference/note/on/endpoint/{pk}/", {"text": "odd spike"})
        note = Note.objects.get()
        enter(name, group)
        assert client.post(f"/inference/note/{note.pk}/take-away/", {"next": page}).status_code == status
        assert Note.objects.exists() is (status == 403)
        Note.objects.all().delete()
    rows = ControlLog.objects.filter(action="note.delete").order_by("id")
    assert [row.actor for row in rows] == ["ada", "adam"]
    assert "odd spike" not in str([row.before for row in rows])


@pytest.mark.parametrize(
    "address",
    ["endpoint/999", "version/x", "prediction/1", "user/1", "prediction/0198c0de-0000-7000-8000-000000000000"],
)
def test_what_is_not_there_gets_no_note(client, enter, address):
    enter("ada", OPERATOR)
    assert client.post(f"/inference/note/on/{address}/", {"text": "odd"}).status_code == 404


def test_nobody_is_led_to_another_server(client, enter, things):
    enter("ada", OPERATOR)
    pk, page = things["endpoint"]
    answer = client.post(f"/inference/note/on/endpoint/{pk}/", {"text": "odd", "next": "https://evil.example/"})
    assert answer.headers["Location"] == page


def test_a_note_is_neither_got_nor_forged_nor_edited(client, enter, things):
    enter("ada", ADMIN)
    pk, _ = things["endpoint"]
    assert client.get(f"/inference/note/on/endpoint/{pk}/").status_code == 405
    client.post(f"/inference/note/on/endpoint/{pk}/", {"text": "odd", "author": "1", "written_at": "2020-01-01"})
    note = Note.objects.get()
    assert note.author.username == "ada"
    assert note.written_at.year > 2020
    client.post(f"/inference/note/{note.pk}/change/", {"text": "other"})
    assert Note.objects.get().text == "odd"
    with (
        pytest.raises(IntegrityError, match="write another one"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE inference_note SET text = 'other'")
