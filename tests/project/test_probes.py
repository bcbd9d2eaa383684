"""Whether given servers answer."""

import pytest

from project import probes
from tests.ports import free_port


@pytest.fixture
def closed_port():
    return free_port()


def test_servers_that_answer_pass(dsn, redis_url):
    probes.postgres(dsn)
    probes.redis(redis_url)


def test_a_postgres_that_does_not_answer_is_told_by_its_variable_without_the_password(closed_port):
    with pytest.raises(
        probes.Unreachable, match=r"^The Postgres of DATABASE_URL does not let us in: .*refused"
    ) as told:
        probes.postgres(f"postgresql://me:hunter2@127.0.0.1:{closed_port}/x")
    assert "hunter2" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_database_that_is_missing_is_told(dsn):
    with pytest.raises(probes.Unreachable, match='database "nowhere" does not exist'):
        probes.postgres(dsn.replace("/test_foretell?", "/nowhere?"))


def test_a_redis_that_does_not_answer_is_told_by_its_variable_without_the_password(closed_port):
    with pytest.raises(probes.Unreachable, match=r"^The Redis of REDIS_URL does not let us in: .*refused") as told:
        probes.redis(f"redis://:hunter2@127.0.0.1:{closed_port}/0")
    assert "hunter2" not in str(told.value)


def test_a_web_server_that_is_not_there_is_not_ready(closed_port):
    assert not probes.ready(f"http://127.0.0.1:{closed_port}", ("localhost",))
