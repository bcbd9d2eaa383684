"""The only reader of the environment: typed, named, checked at start-up.

Every variable is read here once, into one frozen `Environment`. A value that can't be used stops the process with
the variable's name, what was expected and what came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from project.home import Home, HomeError

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_CHARACTERS = 50
"""What Django wants a secret key to have at least (`security.W009`)."""
PLACEHOLDERS = ("change-me", "changeme", "change_me", "placeholder", "your-", "example", "django-insecure", "…")
"""What stands in values that were copied from a page and never filled in."""
_KEPT = ("uploads", "artifacts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the environment says, with defaults filled in.

    Where `DATABASE_URL` or `REDIS_URL` is not given, the address is the one that a running `up` left in the state
    folder, or where its embedded server would listen.
    """

    host: str
    port: int
    web_concurrency: int
    database_url: str
    web_database_url: str | None
    redis_url: str
    database_given: bool
    redis_given: bool
    secret_key: str
    secret_key_fallbacks: tuple[str, ...]
    debug: bool
    https: bool
    hsts_s: int
    trusted_proxies: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    csrf_trusted_origins: tuple[str, ...]
    home: Path
    storage_url: str
    pulse_file: Path | None
    admin_password: str | None
    demo: bool
    email_url: str
    email_from: str


def load(variables: Mapping[str, str] | None = None) -> Environment:
    """Read the environment.

    Args:
        variables: read these instead of the process's own.

    Raises:
        ImproperlyConfigured: a variable has a value that can't be used; the message names it.
    """
    env = environ.Env()
    if variables is not None:
        env.ENVIRON = variables
    home = Home(Path(env.str("FORETELL_HOME", default="") or BASE_DIR / "var").expanduser().absolute())
    addresses = _addresses(home)
    if env.str("DATABASE_URL", default="") not in ("", home.addresses().get("database_url")):
        _check_for_operation(env)
    return Environment(
        host=env.str("HOST", default="127.0.0.1"),
        port=_integer(env, "PORT", 8000, 1, 65535),
        web_concurrency=_integer(env, "WEB_CONCURRENCY", 1, 1, 64),
        database_url=_url(env, "DATABASE_URL", ("postgres", "postgresql"), addresses["database_url"]),
        web_database_url=_url(env, "WEB_DATABASE_URL", ("postgres", "postgresql"), "") or None,
        redis_url=_url(env, "REDIS_URL", ("redis", "rediss", "unix"), addresses["redis_url"]),
        database_given=bool(env.str("DATABASE_URL", default="")),
        redis_given=bool(env.str("REDIS_URL", default="")),
        secret_key=env.str("SECRET_KEY", default="") or _kept_secret(home),
        secret_key_fallbacks=_list(env, "SECRET_KEY_FALLBACKS"),
        debug=_boolean(env, "DEBUG", default=False),
        https=_boolean(env, "HTTPS", default=False),
        hsts_s=_integer(env, "HSTS_S", 3600, 0, 63_072_000),
        trusted_proxies=_networks(env, "TRUSTED_PROXIES"),
        allowed_hosts=_list(env, "ALLOWED_HOSTS") or ("localhost", "127.0.0.1", "[::1]"),
        csrf_trusted_origins=_list(env, "CSRF_TRUSTED_ORIGINS"),
        home=home.path,
        storage_url=_storage_url(env),
        pulse_file=Path(said) if (said := env.str("PULSE_FILE", default="")) else None,
        admin_password=env.str("ADMIN_PASSWORD", default="") or None,
        demo=_boolean(env, "DEMO", default=True),
        email_url=_url(env, "EMAIL_URL", tuple(environ.Env.EMAIL_SCHEMES), "consolemail://"),
        email_from=env.str("EMAIL_FROM", default="") or "foretell@localhost",
    )


def _addresses(home: Home) -> dict[str, str]:
    """Where the servers of this state folder listen, or would listen."""
    usual = {
        "database_url": f"postgresql://postgres@/foretell?host={home.path / 'run'}&port=5432",
        "redis_url": f"unix://{home.path / 'run' / 'valkey.sock'}",
    }
    return usual | home.addresses()


def _kept_secret(home: Home) -> str:
    try:
        return home.secret("secret_key")
    except HomeError as error:
        raise ImproperlyConfigured(f"{error} Or give SECRET_KEY.") from error


def _check_for_operation(env: environ.Env) -> None:
    """Refuse what only a trial on one machine may have: DATABASE_URL was given, and not by a running `up`."""
    if _boolean(env, "DEBUG", default=False):
        raise ImproperlyConfigured(
            "DEBUG must be 0 where DATABASE_URL is given: error pages would show inputs and settings to strangers."
        )
    key = env.str("SECRET_KEY", default="")
    given = {"SECRET_KEY": (key,) if key else (), "SECRET_KEY_FALLBACKS": _list(env, "SECRET_KEY_FALLBACKS")}
    for name, secrets in given.items():
        for secret in secrets:
            # Never repeated, not even in part: what is refused here may be in use elsewhere.
            if len(secret) < SECRET_CHARACTERS or len(set(secret)) < 10 or _is_placeholder(secret):
                raise ImproperlyConfigured(
                    f"{name} must be {SECRET_CHARACTERS} or more random characters, and no placeholder. "
                    'Make one: python3 -c "import secrets; print(secrets.token_urlsafe(50))"'
                )
    if _is_placeholder(env.str("ADMIN_PASSWORD", default="")):
        raise ImproperlyConfigured("ADMIN_PASSWORD must be no placeholder. Choose one, or leave it out.")
    for name in ("DATABASE_URL", "WEB_DATABASE_URL"):
        if _is_placeholder(_password(env.str(name, default=""))):
            raise ImproperlyConfigured(f"The password in {name} must be no placeholder.")


def _is_placeholder(secret: str) -> bool:
    return secret.startswith("<") or any(word in secret.lower() for word in PLACEHOLDERS)


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""  # refused by `_url`, in its own words


def _integer(env: environ.Env, name: str, default: int, low: int, high: int) -> int:
    text = env.str(name, default="") or str(default)
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ImproperlyConfigured(f"{name} must be a whole number from {low} to {high}; it is {text!r}.")
    return int(text)


def _boolean(env: environ.Env, name: str, *, default: bool) -> bool:
    text = env.str(name, default="").lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    if text:
        raise ImproperlyConfigured(f"{name} must be 1 or 0; it is {text!r}.")
    return default


def _list(env: environ.Env, name: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in env.str(name, default="").split(",") if item.strip())


def _networks(env: environ.Env, name: str) -> tuple[str, ...]:
    """Addresses and networks. Not `*`: whoever reaches the port could then say where they come from."""
    for item in _list(env, name):
        try:
            ip_network(item)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{name} must be addresses or networks, as 10.0.0.5,172.30.0.0/24; one of them is {item!r}."
            ) from error
    return _list(env, name)


def _url(env: environ.Env, name: str, schemes: tuple[str, ...], default: str) -> str:
    url = env.str(name, default="") or default
    if not url:
        return url
    scheme, found, _ = url.partition("://")
    # The value may hold a password, so only its scheme is repeated.
    if not found or scheme not in schemes:
        expected = " or ".join(f"{scheme}://" for scheme in schemes)
        came = f"it starts with {scheme!r}" if found else "it has no scheme"
        raise ImproperlyConfigured(f"{name} must start with {expected}; {came}.")
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must have a host and a port number that can be read, or none.") from error
    return url


def _storage_url(env: environ.Env) -> str:
    """Where uploads and published versions are, if not in the state folder. It never holds a credential."""
    url = _url(env, "STORAGE_URL", ("s3",), "")
    if not url:
        return url
    said = urlsplit(url)
    if "@" in said.netloc or not said.netloc:
        raise ImproperlyConfigured(
            "STORAGE_URL must be s3://BUCKET/PREFIX; credentials come as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    options = dict(parse_qsl(said.query))
    if unknown := sorted(set(options) - {"endpoint_url", "region"}):
        raise ImproperlyConfigured(f"STORAGE_URL may have ?endpoint_url= and &region=; it has {unknown[0][:40]!r}.")
    if not options.get("endpoint_url", "https://").startswith(("http://", "https://")):
        raise ImproperlyConfigured("STORAGE_URL must have an endpoint_url that starts with http:// or https://.")
    if bool(env.str("AWS_ACCESS_KEY_ID", default="")) != bool(env.str("AWS_SECRET_ACCESS_KEY", default="")):
        raise ImproperlyConfigured("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be given together, or neither.")
    return url


def storages(url: str, home: Path) -> dict[str, dict[str, object]]:
    """Django's `STORAGES` entries for what Foretell keeps in files.

    `uploads` is a folder of the state folder, or of the bucket. `artifacts` is there with a bucket only: without one,
    published versions are in the state folder and nowhere else.

    Args:
        url: `s3://BUCKET/PREFIX?endpoint_url=…&region=…`, or nothing.
    """
    if not url:
        options = {"location": home / "uploads", "base_url": None}
        return {"uploads": {"BACKEND": "jobs.storage.FolderStorage", "OPTIONS": options}}
    return {name: {"BACKEND": "inference.bucket.BucketStorage", "OPTIONS": _bucket(url, name)} for name in _KEPT}


def _bucket(url: str, folder: str) -> dict[str, object]:
    # Takes a while, and is needed with a bucket only.
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config

    said = urlsplit(url)
    options = dict(parse_qsl(said.query))
    endpoint = options.get("endpoint_url")
    return {
        "bucket_name": said.netloc,
        "location": f"{said.path.strip('/')}/{folder}".strip("/"),
        "endpoint_url": endpoint,
        "region_name": options.get("region"),
        "max_memory_size": 8 * 1024 * 1024,
        # A bucket that hangs is an error within half a minute: twice what a request takes, which is tried twice too.
        "transfer_config": TransferConfig(num_download_attempts=2),
        "client_config": Config(
            connect_timeout=3,
            read_timeout=6,
            retries={"total_max_attempts": 2, "mode": "standard"},
            # Servers that only resemble S3 know neither names of buckets in host names nor the newer checksums.
            s3={"addressing_style": "path" if endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    }


def database(url: str) -> dict[str, object]:
    """Django's `DATABASES` entry for a `postgresql://` address; a `host=` query is a socket folder.

    The server-side limits bound what an event loop's timeout can't: a thread that waits in a hung query.
    """
    return environ.Env.db_url_config(url) | {
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": dict(parse_qsl(urlsplit(url).query))
        | {"connect_timeout": "5", "tcp_user_timeout": "5000", "options": "-c statement_timeout=30s"},
    }


def email(url: str) -> dict[str, object]:
    """Django's settings for a mail address: `consolemail://` prints, `smtp+tls://user:password@host:587` sends."""
    said = environ.Env.email_url_config(url)
    return {name: value for name, value in said.items() if value is not None} | {"EMAIL_TIMEOUT": 10}


def celery_broker(redis_url: str) -> str:
    """Celery's spelling of a Redis address: a socket is `redis+socket://` there and `unix://` elsewhere."""
    return redis_url.replace("unix://", "redis+socket://", 1)
