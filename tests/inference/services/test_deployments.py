"""What is live: one champion at any time, and a history that only grows."""

import datetime
import itertools
import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from inference.errors import EndpointRetired, SignatureMismatch, UnknownVersion
from inference.models import Deployment, Endpoint, Role, Version
from inference.selectors import version_get
from inference.services import release_deploy, version_deploy
from tests.inference import tiny


@pytest.fixture
def versions(flow, artifacts, store):
    """`line-1.0.0`, which answers, and `line-1.1.0`."""
    tiny.write_version(artifacts / "flow", number="1.1.0", slope=2)
    release_deploy(artifacts=artifacts, into=store, actor="test")
    return [version_get(endpoint=flow, tag=f"line-1.{minor}.0") for minor in (0, 1)]


def _history(endpoint):
    rows = Deployment.objects.filter(endpoint=endpoint).order_by("id")
    return [(row.version.tag, row.ended_at is None, row.actor, row.reason) for row in rows]


def test_a_deployment_ends_the_champion_and_opens_the_next(flow, versions):
    version_deploy(endpoint=flow, version=versions[1], actor="ada", reason="better")
    first, second = Deployment.objects.order_by("id")
    assert (first.ended_at, second.ended_at) == (second.started_at, None)
    assert _history(flow)[1] == ("line-1.1.0", True, "ada", "better")


def test_rolling_back_is_deploying_the_earlier_version(flow, versions):
    version_deploy(endpoint=flow, version=versions[1], actor="ada", reason="better")
    version_deploy(endpoint=flow, version=versions[0], actor="ada", reason="it was not")
    assert [(tag, live) for tag, live, *_ in _history(flow)] == [
        ("line-1.0.0", False),
        ("line-1.1.0", False),
        ("line-1.0.0", True),
    ]


def test_deploying_what_is_live_writes_nothing(flow, versions):
    before = _history(flow)
    assert version_deploy(endpoint=flow, version=versions[0], actor="ada", reason="again").actor == "test"
    assert _history(flow) == before


def test_a_challenger_that_becomes_champion_is_no_challenger_any_more(flow, versions):
    Deployment.objects.create(
        endpoint=flow,
        version=versions[1],
        role=Role.CHALLENGER,
        weight=0.1,
        started_at=timezone.now(),
        actor="ada",
        reason="try it",
    )
    version_deploy(endpoint=flow, version=versions[1], actor="ada", reason="it won")
    assert list(Deployment.objects.filter(ended_at=None).values_list("role", flat=True)) == [Role.CHAMPION]


def test_a_clock_that_stepped_back_does_not_stop_a_deployment(flow, versions):
    opened = Deployment.objects.get()
    ahead = timezone.now() + datetime.timedelta(hours=1)
    Deployment.objects.filter(pk=opened.pk).update(ended_at=timezone.now())
    Deployment.objects.create(endpoint=flow, version=versions[0], started_at=ahead, actor="test", reason="ahead")
    assert version_deploy(endpoint=flow, version=versions[1], actor="ada", reason="now").started_at == ahead


def test_other_inputs_need_the_flag_and_become_the_endpoints(flow, artifacts, store):
    tiny.write_version(artifacts / "flow", number="2.0.0", names="abc")
    release_deploy(artifacts=artifacts, into=store, actor="test")
    version = version_get(endpoint=flow, tag="line-2.0.0")
    with pytest.raises(SignatureMismatch, match="--major"):
        version_deploy(endpoint=flow, version=version, actor="ada", reason="more inputs")
    version_deploy(endpoint=flow, version=version, actor="ada", reason="more inputs", major=True)
    flow.refresh_from_db()
    assert flow.signature == tiny.signature("abc").to_dict()
    assert flow.signature_digest == tiny.signature("abc").digest


def test_another_endpoints_version_is_refused(flow, versions):
    other = Endpoint.objects.create(slug="leak", name="Leak", folder="leak", signature={}, signature_digest="-")
    with pytest.raises(UnknownVersion):
        version_deploy(endpoint=other, version=versions[0], actor="ada", reason="by mistake")


def test_a_retired_endpoint_is_left_alone(flow, versions):
    Endpoint.objects.update(retired_at=timezone.now())
    with pytest.raises(EndpointRetired):
        version_deploy(endpoint=flow, version=versions[1], actor="ada", reason="too late")


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "rewritten"},
        {"actor": "eve"},
        {"ended_at": timezone.now() + datetime.timedelta(days=1), "reason": "rewritten"},
        {"started_at": timezone.now() - datetime.timedelta(days=1)},
    ],
)
def test_the_database_refuses_to_rewrite_history(flow, change):
    with pytest.raises(IntegrityError, match="is history"):
        Deployment.objects.update(**change)


def test_an_ended_deployment_never_opens_again(flow, versions):
    version_deploy(endpoint=flow, version=versions[1], actor="ada", reason="better")
    for end in (None, timezone.now() + datetime.timedelta(days=1)):
        with pytest.raises(IntegrityError, match="is history"), transaction.atomic():
            Deployment.objects.exclude(ended_at=None).update(ended_at=end)


def test_the_database_refuses_to_delete_history(flow):
    with pytest.raises(IntegrityError, match="never deleted: it is history"):
        Deployment.objects.all().delete()


@pytest.mark.parametrize("sql", ["TRUNCATE inference_deployment CASCADE", "TRUNCATE inference_version CASCADE"])
def test_the_database_refuses_to_truncate_history(flow, sql):
    connection.check_constraints()  # Postgres truncates no table that still has some to check
    with pytest.raises(IntegrityError, match="never deleted"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert Deployment.objects.count() == 1


def test_the_database_holds_one_open_champion_an_endpoint(flow, versions):
    with pytest.raises(IntegrityError, match="one_open_champion_an_endpoint"):
        Deployment.objects.create(
            endpoint=flow, version=versions[1], started_at=timezone.now(), actor="eve", reason="two at once"
        )


def test_deployments_from_two_connections_take_turns(clean_tables, artifacts, store):
    for minor in range(1, 5):
        tiny.write_version(artifacts / "flow", number=f"1.{minor}.0", slope=minor)
    release_deploy(artifacts=artifacts, into=store, actor="test")
    endpoint = Endpoint.objects.get()
    together, errors = threading.Barrier(4), []

    def deploy(version: Version) -> None:
        try:
            together.wait()
            for _ in range(5):
                version_deploy(endpoint=endpoint, version=version, actor=version.tag, reason="race")
        except Exception as error:  # noqa: BLE001 - the test asserts that there is none
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=deploy, args=[v]) for v in Version.objects.exclude(minor=0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    rows = list(Deployment.objects.order_by("started_at", "id"))
    assert [row.ended_at is None for row in rows] == [False] * (len(rows) - 1) + [True]
    assert all(a.ended_at == b.started_at for a, b in itertools.pairwise(rows))


def test_two_first_deployments_at_once_make_one_registry(clean_tables, artifacts, store):
    together, errors = threading.Barrier(2), []

    def release() -> None:
        try:
            together.wait()
            release_deploy(artifacts=artifacts, into=store, actor="test")
        except Exception as error:  # noqa: BLE001 - the test asserts that there is none
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=release) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (Endpoint.objects.count(), Version.objects.count(), Deployment.objects.count()) == (1, 1, 1)
