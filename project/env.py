"""The only reader of the environment: typed, named, checked at start-up.

Every variable is read here once, into one frozen `Environment`. A value that can't be used stops the process with
the variable's name, what was expected and what came.
"""

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

ADDRESSES_FILE = "addresses.json"
"""Written under the state folder by `up`: where the embedded servers listen while they run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the environment says, with defaults filled in.

    `embedded` is true when `DATABASE_URL` is not given: Postgres and Valkey are then the ones `up` starts, found by
    the addresses it leaves in the state folder.
    """

    host: str
    port: int
    web_concurrency: int
    database_url: str
    redis_url: str
    database_given: bool
    redis_given: bool
    secret_key: str
    debug: bool
    allowed_hosts: tuple[str, ...]
    csrf_trusted_origins: tuple[str, ...]
    home: Path
    admin_password: str | None
    demo: bool


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
    home = Path(env.str("FORETELL_HOME", default=str(BASE_DIR / "var"))).expanduser().resolve()
    addresses = _addresses(home)
    return Environment(
        host=env.str("HOST", default="127.0.0.1"),
        port=_integer(env, "PORT", 8000, 1, 65535),
        web_concurrency=_integer(env, "WEB_CONCURRENCY", 1, 1, 64),
        database_url=_url(env, "DATABASE_URL", ("postgres", "postgresql"), addresses["database_url"]),
        redis_url=_url(env, "REDIS_URL", ("redis", "rediss", "unix"), addresses["redis_url"]),
        database_given=bool(env.str("DATABASE_URL", default="")),
        redis_given=bool(env.str("REDIS_URL", default="")),
        secret_key=env.str("SECRET_KEY", default="") or kept_secret(home / "secret_key"),
        debug=_boolean(env, "DEBUG", default=False),
        allowed_hosts=_list(env, "ALLOWED_HOSTS") or ("localhost", "127.0.0.1", "[::1]"),
        csrf_trusted_origins=_list(env, "CSRF_TRUSTED_ORIGINS"),
        home=home,
        admin_password=env.str("ADMIN_PASSWORD", default="") or None,
        demo=_boolean(env, "DEMO", default=True),
    )


def _addresses(home: Path) -> dict[str, str]:
    """Where the embedded servers of this state folder listen, or would listen."""
    try:
        return json.loads((home / ADDRESSES_FILE).read_text())
    except FileNotFoundError:
        return {
            "database_url": f"postgresql://postgres@/foretell?host={home / 'run'}",
            "redis_url": f"unix://{home / 'run' / 'valkey.sock'}",
        }


def state_folder_make(home: Path) -> None:
    """Make the state folder and what is missing above it.

    Made by root, the new folders can be entered by all, whatever the umask: the embedded Postgres refuses to run as
    root and needs its data below. What must stay private in there has modes of its own.

    Raises:
        OSError: it can't be made.
    """
    missing = [folder for folder in (home, *home.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            folder.chmod(folder.stat().st_mode | 0o111)


def kept_secret(path: Path) -> str:
    """A secret made once and kept in the state folder, readable by its owner only.

    Processes that start together get the same one: it is written aside and linked into place, which only one can.

    Raises:
        ImproperlyConfigured: the folder can't be used.
    """
    try:
        with suppress(FileNotFoundError):
            if secret := path.read_text().strip():
                return secret
        state_folder_make(path.parent)
        aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
            file.flush()
            os.fsync(file.fileno())
        try:
            with suppress(FileExistsError):
                os.link(aside, path)
        finally:
            aside.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"FORETELL_HOME must be a folder that can be written; {path.parent} is not: {error.strerror}."
        ) from error


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


def _url(env: environ.Env, name: str, schemes: tuple[str, ...], default: str) -> str:
    url = env.str(name, default="") or default
    if urlsplit(url).scheme not in schemes:
        expected = " or ".join(f"{scheme}://" for scheme in schemes)
        # The value may hold a password, so only its scheme is repeated.
        raise ImproperlyConfigured(f"{name} must start with {expected}; it starts with {url.split(':')[0]!r}.")
    return url


def database(url: str) -> dict[str, object]:
    """Django's `DATABASES` entry for a `postgresql://` address; a `host=` query is a socket folder.

    The server-side limits bound what an event loop's timeout can't: a thread that waits in a hung query.
    """
    return environ.Env.db_url_config(url) | {
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": dict(parse_qsl(urlsplit(url).query))
        | {"connect_timeout": "5", "tcp_user_timeout": "5000", "options": "-c statement_timeout=30s"},
    }


def celery_broker(redis_url: str) -> str:
    """Celery's spelling of a Redis address: a socket is `redis+socket://` there and `unix://` elsewhere."""
    return redis_url.replace("unix://", "redis+socket://", 1)
