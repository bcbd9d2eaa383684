"""The environment, read once, with its variables' names in every refusal."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from project import env
from project.home import Home

KEY = "K3y-of-a-test_0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF"


@pytest.fixture
def given(tmp_path):
    """The smallest environment that does not touch the real state folder."""
    return {"FORETELL_HOME": str(tmp_path / "home")}


def test_the_defaults_serve_one_machine(given):
    read = env.load(given)
    assert (read.host, read.port, read.web_concurrency, read.debug, read.demo) == ("127.0.0.1", 8000, 1, False, True)
    assert read.allowed_hosts == ("localhost", "127.0.0.1", "[::1]")
    assert (read.database_given, read.redis_given) == (False, False)
    assert (read.https, read.trusted_proxies, read.secret_key_fallbacks) == (False, (), ())
    assert read.web_database_url is None
    assert len(read.secret_key) > 60


def test_values_are_read(given, tmp_path):
    read = env.load(
        given
        | {
            "HOST": "0.0.0.0",
            "PORT": "80",
            "WEB_CONCURRENCY": "4",
            "DATABASE_URL": "postgres://me@db/foretell",
            "REDIS_URL": "rediss://cache/0",
            "SECRET_KEY": KEY,
            "SECRET_KEY_FALLBACKS": f"{KEY[::-1]}, {KEY[1:]}",
            "HTTPS": "1",
            "HSTS_S": "60",
            "TRUSTED_PROXIES": "10.0.0.5, 172.30.0.0/24,::1",
            "ALLOWED_HOSTS": "a.example, b.example",
            "CSRF_TRUSTED_ORIGINS": "https://a.example",
            "ADMIN_PASSWORD": "p",
            "DEMO": "0",
        }
    )
    assert (read.host, read.port, read.web_concurrency, read.debug, read.demo) == ("0.0.0.0", 80, 4, False, False)
    assert (read.database_url, read.redis_url) == ("postgres://me@db/foretell", "rediss://cache/0")
    assert (read.database_given, read.redis_given) == (True, True)
    assert (read.secret_key, read.admin_password) == (KEY, "p")
    assert read.secret_key_fallbacks == (KEY[::-1], KEY[1:])
    assert (read.https, read.hsts_s, read.trusted_proxies) == (True, 60, ("10.0.0.5", "172.30.0.0/24", "::1"))
    assert (read.allowed_hosts, read.csrf_trusted_origins) == (("a.example", "b.example"), ("https://a.example",))
    assert read.home == tmp_path / "home"


def test_an_empty_value_means_not_given(given):
    read = env.load(given | {"PORT": "", "DATABASE_URL": "", "DEMO": "", "ADMIN_PASSWORD": ""})
    assert (read.port, read.database_given, read.demo, read.admin_password) == (8000, False, True, None)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "http", "PORT must be a whole number from 1 to 65535; it is 'http'."),
        ("PORT", "0", "PORT must be a whole number from 1 to 65535; it is '0'."),
        ("PORT", "65536", "PORT must be a whole number from 1 to 65535; it is '65536'."),
        ("PORT", "²", "PORT must be a whole number from 1 to 65535; it is '²'."),
        ("WEB_CONCURRENCY", "-1", "WEB_CONCURRENCY must be a whole number from 1 to 64; it is '-1'."),
        ("DEBUG", "maybe", "DEBUG must be 1 or 0; it is 'maybe'."),
        ("DEMO", "2", "DEMO must be 1 or 0; it is '2'."),
        ("HTTPS", "https", "HTTPS must be 1 or 0; it is 'https'."),
        (
            "TRUSTED_PROXIES",
            "10.0.0.5,*",
            "TRUSTED_PROXIES must be addresses or networks, as 10.0.0.5,172.30.0.0/24; one of them is '*'.",
        ),
        (
            "REDIS_URL",
            "memcached://x",
            "REDIS_URL must start with redis:// or rediss:// or unix://; it starts with 'memcached'.",
        ),
        ("REDIS_URL", "redis://h:port/0", "REDIS_URL must have a host and a port number that can be read, or none."),
        ("REDIS_URL", "redis://[::1/0", "REDIS_URL must have a host and a port number that can be read, or none."),
        ("REDIS_URL", "cache:6379", "REDIS_URL must start with redis:// or rediss:// or unix://; it has no scheme."),
        (
            "DATABASE_URL",
            "sqlite:///x",
            "DATABASE_URL must start with postgres:// or postgresql://; it starts with 'sqlite'.",
        ),
    ],
)
def test_a_bad_value_is_refused_by_its_name(given, name, value, expected):
    with pytest.raises(ImproperlyConfigured) as refused:
        env.load(given | {name: value})
    assert str(refused.value) == expected


@pytest.mark.parametrize("url", ["mysql://me:hunter2@db/x", "hunter2", "//me:hunter2@db", "postgres//me:hunter2@db/x"])
def test_a_password_in_a_bad_address_is_not_repeated(given, url):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must start with") as refused:
        env.load(given | {"DATABASE_URL": url})
    assert "hunter2" not in str(refused.value)


def test_debug_is_for_trials_on_one_machine(given):
    assert env.load(given | {"DEBUG": "on"}).debug
    with pytest.raises(ImproperlyConfigured, match="DEBUG must be 0 where DATABASE_URL is given"):
        env.load(given | {"DEBUG": "on", "DATABASE_URL": "postgresql://db/foretell"})


def test_debug_reaches_the_parts_of_a_running_up(given, tmp_path):
    home = Home(tmp_path / "home")
    home.hold()
    home.publish({"database_url": "postgresql://elsewhere/x"})
    assert env.load(given | {"DEBUG": "on", "DATABASE_URL": "postgresql://elsewhere/x"}).debug
    home.release()
    with pytest.raises(ImproperlyConfigured, match="DEBUG must be 0"):
        env.load(given | {"DEBUG": "on", "DATABASE_URL": "postgresql://elsewhere/x"})


@pytest.mark.parametrize("secret", [KEY[:49], "ab" * 40, "django-insecure-" + KEY, "change-me-" + KEY, f"<{KEY}>"])
@pytest.mark.parametrize("name", ["SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_a_weak_secret_key_serves_a_trial_only(given, name, secret):
    assert secret in (
        env.load(given | {name: secret}).secret_key,
        *env.load(given | {name: secret}).secret_key_fallbacks,
    )
    with pytest.raises(ImproperlyConfigured, match=f"^{name} must be 50 or more random characters") as refused:
        env.load(given | {name: secret, "DATABASE_URL": "postgresql://db/foretell"})
    assert secret not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADMIN_PASSWORD", "changeme"),
        ("DATABASE_URL", "postgresql://foretell:change-me@db/foretell"),
        ("WEB_DATABASE_URL", "postgresql://foretell_web:change-me@db/foretell"),
    ],
)
def test_a_placeholder_for_a_password_is_refused(given, name, value):
    with pytest.raises(ImproperlyConfigured, match=f"{name} must be no placeholder"):
        env.load(given | {"DATABASE_URL": "postgresql://db/foretell"} | {name: value})


def test_a_state_folder_that_cannot_be_used_is_refused_by_its_name(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ImproperlyConfigured, match="FORETELL_HOME must be a folder that can be written"):
        env.load({"FORETELL_HOME": str(tmp_path / "file")})


def test_the_addresses_of_a_running_up_are_found(given, tmp_path):
    home = Home(tmp_path / "home")
    home.hold()
    home.publish({"database_url": "postgresql://elsewhere/x", "redis_url": "unix:///elsewhere.sock"})
    read = env.load(given)
    assert (read.database_url, read.redis_url) == ("postgresql://elsewhere/x", "unix:///elsewhere.sock")
    assert not read.database_given
    home.release()
    assert "elsewhere" not in env.load(given).database_url


def test_a_socket_folder_reaches_django():
    said = env.database("postgresql://postgres@/foretell?host=/a%20b/run&port=5432")
    assert (said["NAME"], said["USER"], said["HOST"]) == ("foretell", "postgres", "")
    assert said["OPTIONS"]["host"] == "/a b/run"
    assert said["OPTIONS"]["connect_timeout"] == "5"


def test_celery_spells_a_socket_in_its_own_way():
    assert env.celery_broker("unix:///run/x.sock") == "redis+socket:///run/x.sock"
    assert env.celery_broker("rediss://cache/0") == "rediss://cache/0"


def test_mail_is_printed_unless_a_server_is_given(given):
    assert env.email(env.load(given).email_url)["EMAIL_BACKEND"].endswith("console.EmailBackend")
    said = env.email("smtp+tls://ada:p%40ss@mail.example.com:587")
    names = ("EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD", "EMAIL_USE_TLS")
    assert [said[name] for name in names] == ["mail.example.com", 587, "ada", "p@ss", True]
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL must start with smtp"):
        env.load(given | {"EMAIL_URL": "mail.example.com"})


def test_without_a_bucket_everything_is_in_the_state_folder(given, tmp_path):
    read = env.load(given)

    assert env.storages(read.storage_url, read.home) == {
        "uploads": {
            "BACKEND": "jobs.storage.FolderStorage",
            "OPTIONS": {"location": tmp_path / "home" / "uploads", "base_url": None},
        }
    }


@pytest.mark.parametrize(
    ("url", "bucket", "location", "endpoint"),
    [
        ("s3://ours", "ours", "{}", None),
        ("s3://ours/a/b/", "ours", "a/b/{}", None),
        ("s3://ours/a?endpoint_url=https://s3.example:9000&region=eu-1", "ours", "a/{}", "https://s3.example:9000"),
    ],
)
def test_a_bucket_holds_uploads_and_artifacts(given, url, bucket, location, endpoint):
    read = env.load(given | {"STORAGE_URL": url})

    found = env.storages(read.storage_url, read.home)

    assert list(found) == ["uploads", "artifacts"]
    for name, storage in found.items():
        options = storage["OPTIONS"]
        assert (options["bucket_name"], options["location"]) == (bucket, location.format(name))
        assert options["endpoint_url"] == endpoint


@pytest.mark.parametrize(
    ("given_too", "expected"),
    [
        ({"STORAGE_URL": "https://s3.example/ours"}, "STORAGE_URL must start with s3://; it starts with 'https'."),
        ({"STORAGE_URL": "s3://"}, "STORAGE_URL must be s3://BUCKET/PREFIX"),
        ({"STORAGE_URL": "s3://key:hidden@ours"}, "credentials come as AWS_ACCESS_KEY_ID"),
        (
            {"STORAGE_URL": "s3://ours?secret=hidden"},
            "STORAGE_URL may have ?endpoint_url= and &region=; it has 'secret'.",
        ),
        ({"STORAGE_URL": "s3://ours?endpoint_url=s3.example"}, "endpoint_url that starts with http:// or https://"),
        ({"STORAGE_URL": "s3://ours", "AWS_ACCESS_KEY_ID": "hidden"}, "must be given together"),
    ],
)
def test_a_bucket_that_can_not_be_used_is_refused(given, given_too, expected):
    with pytest.raises(ImproperlyConfigured) as refused:
        env.load(given | given_too)

    assert expected in str(refused.value)
    assert "hidden" not in str(refused.value)
