"""The pages of predictions and refusals: they show what is stored, cheaply, and change nothing."""

import datetime
import html
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inference.models import Feedback, Prediction, Rejection
from inference.services import device_create

LIST = "/inference/prediction/"


def _page(browser, address, status=200):
    answer = browser.get(address)
    assert answer.status_code == status
    return answer.content.decode()


def test_the_list_shows_time_endpoint_device_version_and_answer(browser, predict):
    device = device_create(name="pump-7", actor="test").credential.device
    stored = predict(device=device)
    page = _page(browser, LIST)
    for shown in ("flow", "pump-7", "line-1.0.0", "3.75", f"{stored.predicted_at:%Y-%m-%d %H:%M:%S}"):
        assert shown in page


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"output": {"label": "fault", "scores": {"fault": 0.925, "normal": 0.075}}}, "fault 0.925"),
        ({"output": {"label": "anomaly", "score": 0.13}}, "anomaly 0.130"),
        ({"output": None, "error": "model_error"}, "model_error"),
    ],
)
def test_every_kind_of_answer_is_told_in_a_few_words(browser, predict, said, shown):
    predict(**said)
    assert shown in _page(browser, LIST)


def test_the_list_never_counts_and_reads_the_last_days_only(browser, predict):
    new = predict()
    predict(ago=datetime.timedelta(days=8), client_id="old")
    with CaptureQueriesContext(connection) as queries:
        page = _page(browser, LIST)
    reads = [query["sql"] for query in queries if '"inference_prediction"' in query["sql"]]
    assert len(reads) == 1
    assert "COUNT(" not in reads[0]
    assert "10000" not in page.replace(str(new.pk), "")
    assert '"inference_prediction"."id" >=' in reads[0]


def test_the_list_costs_the_same_for_many_rows(browser, predict):
    device = device_create(name="pump-7", actor="test").credential.device
    predict(device=device)
    with CaptureQueriesContext(connection) as few:
        _page(browser, LIST)
    for _ in range(20):
        predict(device=device)
    with CaptureQueriesContext(connection) as many:
        _page(browser, LIST)
    assert len(many) == len(few)


def test_older_predictions_are_found_by_the_time_filter_and_by_id(browser, predict):
    old = predict(ago=datetime.timedelta(days=8))
    assert str(old.pk) not in _page(browser, LIST)
    assert str(old.pk) in _page(browser, f"{LIST}?since_hours=720")
    assert "3.75" in _page(browser, f"{LIST}{old.pk}/change/")


def test_the_filters_and_the_search_narrow_the_list(browser, predict):
    device = device_create(name="pump-7", actor="test").credential.device
    with_device, without = predict(device=device), predict()
    for query in (f"device__id__exact={device.pk}", f"q={with_device.pk}"):
        page = _page(browser, f"{LIST}?{query}")
        assert str(with_device.pk) in page
        assert str(without.pk) not in page
    assert str(without.pk) not in _page(browser, f"{LIST}?q=nonsense")
    assert str(without.pk) in _page(browser, f"{LIST}?endpoint__id__exact={without.endpoint_id}&source__exact=2")


@pytest.mark.parametrize("since", ["", "x", "-1", "99999999999", "1; drop"])
def test_a_strange_time_filter_shows_the_last_days(browser, predict, since):
    assert str(predict().pk) in _page(browser, f"{LIST}?since_hours={since}")


def test_one_prediction_is_shown_with_its_features_by_name(browser, predict):
    stored = predict(client_id="x9", warnings=["clock_suspect"])
    page = _page(browser, f"{LIST}{stored.pk}/change/")
    for shown in ("<th", ">a</th>", ">b</th>", "1.5", "2.25", "3.75", "x9", "clock_suspect", ">line-1.0.0<"):
        assert shown in page


def test_text_from_outside_is_escaped(browser, predict):
    stored = predict(client_id="<script>1</script>", features=["<script>2</script>", None])
    page = _page(browser, f"{LIST}{stored.pk}/change/")
    assert "<script>1" not in page
    assert "<script>2" not in page
    assert "&lt;script&gt;2" in page


def test_a_row_whose_device_is_gone_is_shown(browser, predict):
    device = device_create(name="pump-7", actor="test").credential.device
    stored = predict(device=device)
    device.delete()
    assert "3.75" in _page(browser, LIST)
    assert "3.75" in _page(browser, f"{LIST}{stored.pk}/change/")


@pytest.mark.parametrize("model", ["prediction", "rejection", "version", "deployment"])
def test_records_and_history_can_not_be_added(browser, model, db):
    _page(browser, f"/inference/{model}/add/", 403)


def test_a_prediction_can_be_neither_changed_nor_deleted(browser, predict):
    stored = predict()
    assert browser.post(f"{LIST}{stored.pk}/change/", {"client_id": "changed"}).status_code == 403
    assert browser.post(f"{LIST}{stored.pk}/delete/", {"post": "yes"}).status_code == 403
    browser.post(LIST, {"action": "delete_selected", "_selected_action": str(stored.pk), "post": "yes"})
    assert Prediction.objects.get().client_id is None


def test_refusals_are_shown_by_hour(browser, flow):
    Rejection.objects.create(endpoint=flow, device=None, code="out_of_range", hour=timezone.now(), count=17)
    page = _page(browser, "/inference/rejection/")
    assert "out_of_range" in page
    assert "17" in page


def test_a_label_narrows_the_list(browser, predict, flow):
    flow.signature = {"inputs": [], "output": {"kind": "classification", "labels": ["normal", "fault"]}}
    flow.save()
    fault = predict(output={"label": "fault", "scores": {"fault": 0.9, "normal": 0.1}})
    normal = predict(output={"label": "normal", "scores": {"fault": 0.1, "normal": 0.9}})
    failed = predict(output=None, error="model_error")
    page = _page(browser, f"{LIST}?label=fault")
    assert str(fault.pk) in page
    assert str(normal.pk) not in page
    assert str(failed.pk) not in page
    assert "label=normal" in page or 'value="normal"' in page


LABELLED = {"output": {"label": "fault", "scores": {"fault": 0.9}}}


def test_a_search_without_an_index_looks_through_a_bounded_number_and_says_how_far(browser, predict, monkeypatch):
    from inference.admin import reach

    monkeypatch.setattr(reach, "REACH", 3)
    hour = datetime.timedelta(hours=1)
    near, far = predict(ago=2 * hour, **LABELLED), predict(ago=6 * hour, **LABELLED)
    others = [predict(ago=ago * hour) for ago in (1, 3, 4, 5)]
    with CaptureQueriesContext(connection) as queries:
        page = _page(browser, f"{LIST}?label=fault&since_hours=24")
    assert str(near.pk) in page
    assert str(far.pk) not in page
    assert f'back to <time datetime="{others[2].predicted_at:%Y-%m-%dT%H:%M:%S}' in page
    *_, read = [query["sql"] for query in queries if '"inference_prediction"' in query["sql"]]
    assert f"> '{str(others[2].pk).replace('-', '')}'" in read
    further = html.unescape(re.search(r'href="([^"]*until=[^"]*)"', page)[1])
    page = _page(browser, LIST + further)
    assert str(far.pk) in page
    assert str(near.pk) not in page
    assert "Search further back" not in page


@pytest.mark.parametrize("query", ["", "since_hours=24", "endpoint__id__exact={endpoint}", "q={id}", "label="])
def test_what_an_index_finds_is_not_bounded(browser, predict, monkeypatch, query):
    from inference.admin import reach

    monkeypatch.setattr(reach, "REACH", 1)
    shown = [predict(ago=datetime.timedelta(hours=ago)) for ago in (1, 2, 3)]
    page = _page(browser, f"{LIST}?{query.format(endpoint=shown[0].endpoint_id, id=shown[2].pk)}")
    assert str(shown[2].pk) in page
    assert 'id="reach"' not in page


@pytest.mark.parametrize(
    "query", ["version__id__exact={version}", "source__exact=2", "feedback=0", "request_id={request}"]
)
def test_every_other_filter_is_bounded(browser, predict, monkeypatch, query):
    from inference.admin import reach

    monkeypatch.setattr(reach, "REACH", 1)
    new, old = predict(), predict(ago=datetime.timedelta(hours=1))
    page = _page(browser, f"{LIST}?{query.format(version=new.version_id, request=new.request_id)}")
    assert str(new.pk) in page
    assert str(old.pk) not in page
    assert 'id="reach"' in page


def test_two_times_bound_the_list_and_the_query(browser, predict):
    day = datetime.timedelta(days=1)
    old, older, new = predict(ago=20 * day), predict(ago=22 * day), predict()
    begin, end = (f"{timezone.now() - ago * day:%Y-%m-%dT%H:%M}" for ago in (21, 19))
    with CaptureQueriesContext(connection) as queries:
        page = _page(browser, f"{LIST}?from={begin}&until={end}")
    assert str(old.pk) in page
    assert str(older.pk) not in page
    assert str(new.pk) not in page
    (read,) = [query["sql"] for query in queries if '"inference_prediction"' in query["sql"]]
    assert '"id" >=' in read
    assert '"id" <' in read
    only_end = _page(browser, f"{LIST}?until={end}")
    assert str(old.pk) in only_end
    assert str(new.pk) not in only_end


@pytest.mark.parametrize("query", ["from=x", "until=2026-13-45T99:99", "from=0001-01-01T00:00", "from=&until="])
def test_a_strange_time_bounds_nothing(browser, predict, query):
    assert str(predict().pk) in _page(browser, f"{LIST}?{query}")


def test_a_question_that_takes_too_long_is_answered_by_the_last_hour(browser, predict, monkeypatch):
    from inference.admin import records

    stored = predict()
    # For the first question only: its answer could need as long on a busy machine.
    with monkeypatch.context() as patch:
        patch.setattr(records, "LIST_TIMEOUT_MS", 100)
        patch.setattr(
            records.PredictionAdmin,
            "get_changelist_instance",
            lambda self, request: connection.cursor().execute("SELECT pg_sleep(30)"),
        )
        answer = browser.get(f"{LIST}?label=fault")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{LIST}?since_hours=1")
    page = _page(browser, answer.headers["Location"])
    assert "took too long" in page
    assert str(stored.pk) in page


def test_one_prediction_is_shown_with_the_digests_of_what_made_it(browser, predict):
    stored = predict()
    page = _page(browser, f"{LIST}{stored.pk}/change/")
    manifest = stored.version.manifest
    for digest in (
        stored.version.digest,
        manifest["files"]["model.onnx"]["sha256"],
        manifest["data"]["rows.csv"]["sha256"],
        manifest["code"]["algorithm.py"],
        "/endpoints/flow/versions/line-1.0.0/",
    ):
        assert digest in page


def test_feedback_is_shown_and_narrows_the_list(browser, predict, flow):
    told, untold = predict(), predict()
    for revision, value in ((1, 3.5), (2, 3.625)):
        Feedback.objects.create(prediction=told, endpoint=flow, source="device:pump-7", revision=revision, value=value)
    page = _page(browser, f"{LIST}{told.pk}/change/")
    for shown in ("device:pump-7", "3.5", "3.625"):
        assert shown in page
    assert "Nobody has said yet" in _page(browser, f"{LIST}{untold.pk}/change/")
    for value, shown, hidden in (("1", told, untold), ("0", untold, told)):
        page = _page(browser, f"{LIST}?feedback={value}")
        assert str(shown.pk) in page
        assert str(hidden.pk) not in page
