"""The embedded servers, as the real processes they are."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from project.embedded import EmbeddedPostgres, EmbeddedValkey
from project.home import Home
from project.quarters import EmbeddedError, Quarters
from tests.project.children import alive, driver, until

STARTER = (
    "import sys, pathlib; from project import embedded\n"
    "server = getattr(embedded, sys.argv[1])(pathlib.Path(sys.argv[2])); server.start()\n"
    "print(server.process.pid, flush=True); sys.stdin.read()"
)


def folder() -> Iterator[Path]:
    """A folder that the servers' account may enter; pytest's own ones are closed to it."""
    made = Path(tempfile.mkdtemp(prefix="ft-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


own_folder = pytest.fixture(folder, name="own_folder")
shared_folder = pytest.fixture(folder, scope="module", name="shared_folder")


@pytest.fixture
def home(shared_folder):
    """A state folder with a database that the tests of this file share, since making one takes a second."""
    return shared_folder / "home"


@pytest.fixture
def postgres(home):
    server = EmbeddedPostgres(home)
    yield server
    server.stop()


@pytest.fixture
def valkey(home):
    server = EmbeddedValkey(home)
    yield server
    server.stop()


@pytest.fixture
def spoilt(own_folder):
    """A Postgres of its own, for a test that spoils it."""
    server = EmbeddedPostgres(own_folder / "home")
    yield server
    server.stop()


def write(url: str, table: str, value: int) -> None:
    """Commit a row."""
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (value int)")
        connection.execute(f"INSERT INTO {table} VALUES (%s)", [value])


def written(url: str, table: str) -> list[int]:
    """The rows that were committed."""
    with psycopg.connect(url) as connection:
        return [value for (value,) in connection.execute(f"SELECT value FROM {table} ORDER BY value")]


def test_postgres_is_a_durable_one_that_listens_on_a_private_socket_only(postgres):
    postgres.start()
    with psycopg.connect(postgres.url) as connection:
        said = {
            name: connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0]
            for name in (
                "fsync",
                "full_page_writes",
                "data_checksums",
                "listen_addresses",
                "server_encoding",
                "TimeZone",
            )
        }
        assert connection.info.dbname == "foretell"
    assert said == {
        "fsync": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
    }
    assert postgres.quarters.sockets.stat().st_mode & 0o777 == 0o700


def test_rows_survive_a_restart_and_a_killed_postmaster(postgres):
    postgres.start()
    write(postgres.url, "restarted", 1)
    postgres.stop()
    postgres.start()
    write(postgres.url, "restarted", 2)
    postgres.kill()
    postgres.stop()
    postgres.start()
    assert written(postgres.url, "restarted") == [1, 2]


def test_rows_survive_a_killed_starter_and_nothing_of_it_is_left(home, postgres):
    starter = driver(STARTER, "EmbeddedPostgres", home)
    pid = int(starter.stdout.readline())
    write(postgres.url, "orphaned", 1)
    family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    starter.kill()
    starter.communicate()
    until(lambda: not any(alive(one) for one in family))
    postgres.start()
    assert written(postgres.url, "orphaned") == [1]


def test_a_predecessor_that_still_runs_is_ended(home, postgres):
    starter = driver(STARTER, "EmbeddedPostgres", home)
    pid = int(starter.stdout.readline())
    postgres.start()
    assert not alive(pid)
    starter.communicate()


def test_a_pid_file_with_a_number_that_is_now_another_programs_does_not_stop_it(postgres):
    postgres.start()
    postgres.stop()
    (postgres.data / "postmaster.pid").write_text(f"{os.getpid()}\n{postgres.data}\n")
    postgres.start()
    assert alive(os.getpid())


def test_a_cluster_that_was_made_half_way_is_made_again_and_a_foreign_one_refused(spoilt):
    Home(spoilt.home).make()
    (spoilt.home / "postgres.new").mkdir()
    (spoilt.home / "postgres.new" / "PG_VERSION").touch()
    spoilt.start()
    assert not (spoilt.home / "postgres.new").exists()
    spoilt.stop()

    (spoilt.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(
        EmbeddedError, match=r"postgres does not start: .*no_such_setting.* \(all of it: .*postgres.log\)"
    ):
        spoilt.start()

    (spoilt.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="was made by Postgres 17; this is Postgres 18"):
        spoilt.start()


def test_valkey_starts_again_after_it_was_killed(valkey):
    valkey.start()
    valkey.kill()
    valkey.stop()
    valkey.start()
    with redis.Redis.from_url(valkey.url) as client:
        assert client.ping()


def test_valkey_ends_with_its_killed_starter(home, valkey):
    starter = driver(STARTER, "EmbeddedValkey", home)
    pid = int(starter.stdout.readline())
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    until(lambda: not alive(pid))
    valkey.start()


def test_a_deep_or_odd_state_folder_gets_short_sockets_that_go_with_it(own_folder):
    deep = own_folder / "with a space + plus" / ("d" * 60)
    postgres, valkey = EmbeddedPostgres(deep), EmbeddedValkey(deep)
    try:
        postgres.start()
        valkey.start()
        sockets = postgres.quarters.sockets
        assert sockets == valkey.quarters.sockets
        assert len(str(sockets)) < 60
        assert sockets.name.startswith("ft-")
        write(postgres.url, "deep", 1)
    finally:
        valkey.stop()
        postgres.stop()
    assert not sockets.exists()


def test_a_socket_folder_that_someone_else_made_is_not_used(own_folder):
    quarters = Quarters(own_folder / ("d" * 90))
    quarters.prepare()
    first = quarters.sockets
    assert quarters.sockets == first
    first.chmod(0o777)
    second = quarters.sockets
    assert second != first
    quarters.leave()
    first.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account")
def test_root_drops_to_an_account_that_owns_only_data_and_sockets(home, postgres):
    postgres.start()
    nobody = postgres.quarters.account.uid
    assert psutil.Process(postgres.process.pid).uids().real == nobody
    assert {path.name for path in home.iterdir() if path.stat().st_uid == nobody} == {"postgres", "run"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account")
def test_a_folder_that_the_account_may_not_enter_is_told_and_not_opened(own_folder):
    closed = own_folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(
        EmbeddedError, match=rf"runs as `nobody`, who may not enter {closed} and needs {closed / 'home'}"
    ):
        EmbeddedPostgres(closed / "home").start()
    assert closed.stat().st_mode & 0o777 == 0o700
    assert list(closed.iterdir()) == []
