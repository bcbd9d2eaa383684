"""Try it: what a form's texts mean, and a question that goes the way of every other, on a real server."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from django.contrib.auth.hashers import make_password
from websockets.sync.client import connect

from inference.engine.errors import InvalidInput
from inference.engine.signature import Signature
from tests.faults.stack import Stack

PAGE = "/endpoints/shuttle-fault/try/"
PASSWORD = "a long enough password"


@pytest.fixture
def signature() -> Signature:
    inputs = [
        {"name": "t", "dtype": "float", "min": 0, "max": 10},
        {"name": "n", "dtype": "int64"},
        {"name": "m", "dtype": "float", "nullable": True},
        {"name": "c", "dtype": "string", "categories": ["low", "high"]},
        {"name": "s", "dtype": "string", "nullable": True},
    ]
    return Signature.from_dict({"inputs": inputs, "output": {"kind": "regression"}})


def _features(signature, **texts):
    from inference.admin.trials import features

    return features(signature, {"t": "1.5", "n": "9007199254740993", "m": "", "c": "low", "s": ""} | texts)


def test_texts_become_the_values_they_name(signature):
    said = _features(signature, t=" 1e0 ", m="+2.50", s=" two words ")
    assert said == {"t": 1.0, "n": 9007199254740993, "m": 2.5, "c": "low", "s": " two words "}
    assert signature.row(said)


def test_an_empty_field_is_a_missing_value_where_one_may_be_missing(signature):
    assert _features(signature) == {"t": 1.5, "n": 9007199254740993, "m": None, "c": "low", "s": None}


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ({"t": ""}, "missing_feature"),
        ({"c": ""}, "missing_feature"),
        ({"t": "x"}, "wrong_type"),
        ({"t": "nan"}, "wrong_type"),
        ({"t": "1_0"}, "wrong_type"),
        ({"t": "٣"}, "wrong_type"),
        ({"t": "9" * 5000}, "wrong_type"),
        ({"t": "1e999"}, "not_finite"),
        ({"t": "11"}, "out_of_range"),
        ({"n": "1.5"}, "wrong_type"),
        ({"c": "none"}, "unknown_category"),
        ({"s": "\x00"}, "invalid_character"),
    ],
)
def test_what_can_not_be_used_is_refused_by_name(signature, texts, code):
    with pytest.raises(InvalidInput) as refused:
        signature.row(_features(signature, **texts))
    assert [(problem.code, problem.field) for problem in refused.value.problems] == [(code, *texts)]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The server, on its own Postgres, with a person who may do everything."""
    stack = Stack()
    try:
        stack.start()
        stack.sql(
            "INSERT INTO auth_user (username, password, is_superuser, is_staff, is_active, first_name, last_name,"
            " email, date_joined) VALUES ('ann', %s, true, true, true, '', '', '', now()) RETURNING id",
            (make_password(PASSWORD),),
        )
        yield stack
    finally:
        stack.close()


@pytest.fixture(scope="module")
def person(stack) -> Iterator[httpx.Client]:
    """Their browser, logged in."""
    with httpx.Client(base_url=f"http://{stack.host}:{stack.port}", timeout=20, follow_redirects=True) as person:
        form = {"username": "ann", "password": PASSWORD, "csrfmiddlewaretoken": _csrf(person.get("/login/"))}
        assert person.post("/login/", data=form).status_code == 200
        yield person


def _csrf(page: httpx.Response) -> str:
    (token, *_) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    return token


def _example(page: httpx.Response) -> dict[str, str]:
    return dict(re.findall(r'name="(feature\.\w+)" value="([^"]*)"', page.text))


def test_the_example_is_answered_and_stored_under_the_name_of_who_asked(stack, person):
    page = person.get(PAGE)
    form = _example(page)
    assert list(form) == [f"feature.s{number}" for number in range(1, 10)]
    answer = person.post(PAGE, data=form | {"csrfmiddlewaretoken": _csrf(page)})
    assert answer.status_code == 200
    assert "with the commit that stored it" in answer.text
    (id_,) = re.findall(r"/inference/prediction/([0-9a-f-]{36})/change/", answer.text)
    [row] = stack.sql(
        "SELECT source, device_id, credential_id, subject, features, output ->> 'label' FROM inference_prediction"
        " WHERE id = %s",
        (id_,),
    )
    values = [float(text) for text in form.values()]
    assert row[:4] == (5, None, None, "user ann")
    assert row[4] == pytest.approx(values)
    assert row[5] in answer.text


def test_a_chosen_version_answers(person):
    address = f"{PAGE}?version=logistic_regression-1.0.0"
    page = person.get(address)
    answer = person.post(address, data=_example(page) | {"csrfmiddlewaretoken": _csrf(page)})
    assert "logistic_regression-1.0.0, " in answer.text
    assert person.get(f"{PAGE}?version=none-1.0.0").status_code == 404


def test_what_can_not_be_asked_is_told_beside_its_field_and_keeps_what_was_typed(stack, person):
    page = person.get(PAGE)
    [(before,)] = stack.sql("SELECT count(*) FROM inference_prediction")
    form = _example(page) | {"feature.s1": "500", "feature.s2": "", "csrfmiddlewaretoken": _csrf(page)}
    answer = person.post(PAGE, data=form)
    assert answer.status_code == 422
    assert "`s1` expects float from 0 to 130; got 500." in answer.text
    assert "`s2` is required" in answer.text
    assert _example(answer)["feature.s1"] == "500"
    assert stack.sql("SELECT count(*) FROM inference_prediction") == [(before,)]
    assert stack.sql("SELECT count(*) FROM inference_rejection") == [(0,)]


def test_a_form_of_another_page_is_refused(person):
    page = person.get(PAGE)
    assert person.post(PAGE, data=_example(page)).status_code == 403
    assert person.post(f"{PAGE}credential/").status_code == 403


def test_a_credential_for_the_page_may_predict_here_for_a_while_and_nothing_else(stack, person):
    token = _csrf(person.get(PAGE))
    answer = person.post(f"{PAGE}credential/", headers={"X-CSRFToken": token})
    assert "no-store" in answer.headers["Cache-Control"]
    said = answer.json()
    [row] = stack.sql(
        "SELECT c.service, c.scopes, extract(epoch FROM c.expires_at - c.created_at)::int, e.slug"
        " FROM inference_credential c JOIN inference_credential_endpoints l ON l.credential_id = c.id"
        " JOIN inference_endpoint e ON e.id = l.endpoint_id WHERE c.service <> ''"
    )
    assert row[:2] == ("console of ann", ["predict"])
    assert row[2] == pytest.approx(900, abs=5)
    assert row[3] == "shuttle-fault"
    address = f"ws://{stack.host}:{stack.port}/ws/v1/endpoints/shuttle-fault/stream"
    offered = ["foretell.v1.json", f"foretell.bearer.{said['token']}"]
    with connect(address, subprotocols=offered, origin=f"http://{stack.host}:{stack.port}") as socket:
        assert json.loads(socket.recv())["type"] == "hello"


def test_without_a_serving_process_the_page_says_so(browser, flow):
    answer = browser.post("/endpoints/flow/try/", {"feature.a": "1", "feature.b": "2"})
    assert answer.status_code == 503
    assert "it shows pages only" in answer.content.decode()
