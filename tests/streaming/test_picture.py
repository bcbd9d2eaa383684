"""How what several processes say becomes one picture."""

import pytest

from inference.activity import BUCKETS_S
from streaming.picture import EXPIRES_S, LATE_S, Picture, percentile

NONE = [0] * (len(BUCKETS_S) + 1)


def snapshot(process: str = "a", at: int = 100, **facts) -> dict:
    """What a process says of one endpoint."""
    said = {
        "id": 1,
        "name": "Shuttle",
        "version": "forest-1.0.0",
        "version_id": 3,
        "reason": None,
        "kind": "classification",
        "labels": ["normal", "fault"],
        "unit": None,
        "sockets": 0,
        "points": [],
        "latencies": NONE,
        "versions": {},
        "rejected": {},
        "latest": [],
    }
    return {"process": process, "at": at, "endpoints": {"shuttle": said | facts}}


def counted(**buckets: int) -> list[int]:
    counts = list(NONE)
    for bucket, count in buckets.items():
        counts[int(bucket.removeprefix("b"))] = count
    return counts


def drawn(*snapshots: dict) -> dict:
    """The picture of these; the only endpoint's part of it."""
    picture = Picture()
    for one in snapshots:
        picture.take(one, 0.0)
    (endpoint,) = picture.draw(1.0)["endpoints"]
    return endpoint


def test_what_processes_count_is_added_up():
    endpoint = drawn(
        snapshot("a", sockets=2, rejected={"out_of_range": 1}, versions={"forest-1.0.0": 5}),
        snapshot("b", sockets=3, rejected={"out_of_range": 2, "bad_seq": 9}, versions={"forest-1.0.0": 1}),
    )
    assert endpoint["sockets"] == 5
    assert list(endpoint["rejected"].items()) == [("bad_seq", 9), ("out_of_range", 3)]
    assert endpoint["versions"] == {"forest-1.0.0": 6}


def test_a_second_of_several_processes_is_one_point():
    endpoint = drawn(
        snapshot("a", points=[{"at": 99, "predictions": 2, "labels": {"normal": 2}}]),
        snapshot("b", points=[{"at": 99, "predictions": 1, "labels": {"fault": 1}}, {"at": 100, "predictions": 4}]),
    )
    assert endpoint["points"] == [
        {"at": 99, "predictions": 3, "labels": {"normal": 2, "fault": 1}},
        {"at": 100, "predictions": 4},
    ]


def test_values_of_a_second_are_put_together():
    endpoint = drawn(
        snapshot("a", points=[{"at": 99, "predictions": 2, "values": [2, 30.0, 10.0, 20.0, 20.0]}]),
        snapshot("b", points=[{"at": 99, "predictions": 1, "values": [1, 5.0, 5.0, 5.0, 5.0]}]),
    )
    assert endpoint["points"][0]["values"] == [3, 35.0, 5.0, 20.0, 5.0]


def test_the_rate_is_of_the_last_seconds():
    points = [{"at": at, "predictions": 10} for at in (95, 96, 98, 100)]
    assert drawn(snapshot(points=points))["rate"] == 6.0


def test_percentiles_are_read_from_all_buckets_together():
    fast, slow = counted(b1=99), counted(b6=101)
    endpoint = drawn(snapshot("a", latencies=fast), snapshot("b", latencies=slow))
    assert endpoint["p50_s"] == pytest.approx(0.025 + 0.025 / 101)
    assert endpoint["p99_s"] == pytest.approx(0.0495, abs=1e-4)
    assert endpoint["answers"] == 200


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        (NONE, 0.5, None),
        (counted(b0=2), 0.5, 0.00025),
        (counted(b0=1, b3=1), 0.99, 0.0025 + 0.0025 * 0.98),
        (counted(b0=1, b14=99), 0.99, None),
    ],
)
def test_a_percentile_lies_within_its_bucket(counts, share, expected):
    assert percentile(counts, share) == (expected if expected is None else pytest.approx(expected))


def test_a_process_that_says_nothing_is_left_out():
    picture = Picture()
    picture.take(snapshot("a", sockets=1), 0.0)
    picture.take(snapshot("b", sockets=10), EXPIRES_S)
    assert picture.draw(EXPIRES_S - 0.1)["processes"] == 2
    late = picture.draw(EXPIRES_S + 0.1)
    assert (late["processes"], late["endpoints"][0]["sockets"]) == (1, 10)
    assert picture.draw(3 * EXPIRES_S) == {"type": "picture", "processes": 0, "at": None, "endpoints": []}


def test_a_newer_snapshot_takes_the_place_of_its_process():
    assert drawn(snapshot("a", sockets=1), snapshot("a", 101, sockets=4))["sockets"] == 4


def test_the_version_is_the_one_the_newest_snapshot_names():
    endpoint = drawn(snapshot("a", 101, version="forest-2.0.0", version_id=9), snapshot("b", 100))
    assert (endpoint["version"], endpoint["version_id"]) == ("forest-2.0.0", 9)


def test_points_are_sent_again_only_while_they_may_change():
    picture = Picture()
    points = [{"at": at, "predictions": 1} for at in range(50, 101)]
    picture.take(snapshot(points=points), 0.0)
    assert len(picture.draw(0.0)["endpoints"][0]["points"]) == 51
    picture.take(snapshot(at=101, points=[*points, {"at": 101, "predictions": 1}]), 1.0)
    again = picture.draw(1.0)["endpoints"][0]
    assert [point["at"] for point in again["points"]] == [*range(101 - LATE_S, 101), 101]
    assert again["rate"] == 1.0


def test_the_last_predictions_of_all_are_sorted_by_time():
    old, new = ({"id": id_, "output": '{"value":1}'} for id_ in ("01a1", "01a2"))
    endpoint = drawn(snapshot("a", latest=[old]), snapshot("b", latest=[new]))
    assert endpoint["latest"] == [{"id": "01a2", "output": {"value": 1}}, {"id": "01a1", "output": {"value": 1}}]
