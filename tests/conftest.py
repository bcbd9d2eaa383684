"""One embedded Postgres and one embedded Valkey for the whole run, in a temporary folder, under Django's settings."""

import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from asgiref.sync import SyncToAsync
from hypothesis import HealthCheck, settings

from project.embedded import EmbeddedPostgres, EmbeddedServer, EmbeddedValkey

if TYPE_CHECKING:
    # It takes a while, and few tests need it.
    from tests.bucket import Bucket, S3Server

_CORE = ("HOST", "PORT", "WEB_CONCURRENCY", "SECRET_KEY", "DEBUG", "STORAGE_URL")
_PEOPLE = ("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "ADMIN_PASSWORD", "DEMO")
_KEPT_TABLES = (
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
    "inference_revision",
)
_SERVERS_OWN = frozenset({"inference_webprocess", "inference_presence"})
"""What a web process that outlives a file's tests writes of itself."""
_LOGS = ("root", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
# How fast a machine is does not decide about a property: the usual deadline is a fifth of a second an example.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

_home = pytest.StashKey[Path]()
_servers = pytest.StashKey[list[EmbeddedServer]]()
_dsn = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers and load the settings, before pytest-django looks for them.

    Each process that runs tests has its own; the one that only hands them out has none, and leaves its children an
    environment without settings.
    """
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)  # set by what other conftests import
        return
    # A shell has it ignored by what it runs in the background, and then so would every process that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    home = Path(tempfile.mkdtemp(prefix="ft-"))
    home.chmod(0o711)  # the servers of a test run as root run as `nobody`
    (home / "static").mkdir()  # whitenoise warns when it finds none
    config.stash[_home] = home
    config.stash[_servers] = []
    for name in (*_CORE, *_PEOPLE):
        os.environ.pop(name, None)
    for kind, variable in ((EmbeddedPostgres, "DATABASE_URL"), (EmbeddedValkey, "REDIS_URL")):
        server = kind(home)
        server.start()
        config.stash[_servers].append(server)
        os.environ[variable] = server.url
    os.environ["FORETELL_HOME"] = str(home)
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"

    from django.conf import settings

    assert home == settings.FORETELL_HOME


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers and throw their data away."""
    for server in config.stash.get(_servers, []):
        server.stop()
    if _home in config.stash:
        shutil.rmtree(config.stash[_home])


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker) -> Iterator[None]:
    """The test database, migrated. It is not dropped: the whole server is thrown away."""
    from django.db import connections
    from django.test.utils import setup_databases

    with django_db_blocker.unblock():
        setup_databases(verbosity=0, interactive=False)
    yield
    # Async ORM calls leave a connection open in asgiref's thread.
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture(scope="session")
def dsn(django_db_setup: None, pytestconfig: pytest.Config) -> str:
    """The address of the migrated test database, for psycopg and for what reads `settings.DATABASE_URL`."""
    from django.conf import settings

    server, _, query = os.environ["DATABASE_URL"].partition("?")
    settings.DATABASE_URL = f"{server.rsplit('/', 1)[0]}/{settings.DATABASES['default']['NAME']}?{query}"
    pytestconfig.stash[_dsn] = settings.DATABASE_URL
    return settings.DATABASE_URL


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The address of the embedded Valkey."""
    return os.environ["REDIS_URL"]


@pytest.fixture(scope="session")
def buckets() -> "Iterator[S3Server]":
    """A server for buckets."""
    from tests.bucket import S3Server

    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def bucket(buckets: "S3Server", monkeypatch: pytest.MonkeyPatch) -> "Bucket":
    """A new bucket, with its credential in the environment. Folders of tests say what is kept in it."""
    from tests.bucket import CREDENTIAL

    for name, value in CREDENTIAL.items():
        monkeypatch.setenv(name, value)
    return buckets.bucket()


@pytest.fixture
def clean_tables(dsn: str, django_db_blocker) -> Iterator[None]:
    """Lets a test commit, through the ORM or beside it; afterwards its rows are gone (migrations' rows stay)."""
    with django_db_blocker.unblock():
        yield
    # As a replica, so that the triggers which keep the control log stand aside. When it and a living web process wait
    # for each other's tables, the process gives way after its second: it asks again, and this can't.
    options = "-c lock_timeout=10s -c deadlock_timeout=9s -c session_replication_role=replica"
    with psycopg.connect(dsn, autocommit=True, options=options) as connection:
        if used := _used_tables(connection):
            connection.execute(f"TRUNCATE {', '.join(used)} RESTART IDENTITY CASCADE")


@pytest.fixture(scope="module", autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A file whose tests leave rows or a level of the log behind fails itself, instead of whichever comes next."""
    levels = _levels()
    yield
    assert _levels() == levels, "The tests of this file changed the level of a log."
    if _dsn not in request.config.stash:
        return
    with psycopg.connect(request.config.stash[_dsn], autocommit=True) as connection:
        left = set(_used_tables(connection)) - _SERVERS_OWN
    assert left == set(), "The tests of this file left rows. Use `clean_tables`."


def _levels() -> dict[str, int]:
    return {name: logging.getLogger(name).level for name in _LOGS}


def _used_tables(connection: psycopg.Connection) -> list[str]:
    tables = connection.execute(
        "SELECT quote_ident(relname) FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = 'public'::regnamespace AND relname <> ALL (%s)",
        [list(_KEPT_TABLES)],
    ).fetchall()
    return [table for (table,) in tables if connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()]
