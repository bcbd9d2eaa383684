"""Whether a server answers, asked once, from outside."""

import http.client
from urllib.parse import urlsplit

import psycopg
import redis as redis_client

TIMEOUT_S = 5


class Unreachable(Exception):
    """A server whose address was given does not answer; the sentence names the variable."""


def postgres(url: str) -> None:
    """Check that the Postgres of DATABASE_URL lets us in.

    Raises:
        Unreachable: it does not.
    """
    try:
        psycopg.connect(url, connect_timeout=TIMEOUT_S).close()
    except psycopg.Error as error:
        raise Unreachable(f"The Postgres of DATABASE_URL does not let us in: {_first_line(error)}") from error


def redis(url: str) -> None:
    """Check that the Redis of REDIS_URL lets us in.

    Raises:
        Unreachable: it does not.
    """
    try:
        client = redis_client.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        try:
            client.ping()
        finally:
            client.close()
    except (redis_client.RedisError, OSError, ValueError) as error:
        raise Unreachable(f"The Redis of REDIS_URL does not let us in: {_first_line(error)}") from error


def ready(url: str, allowed_hosts: tuple[str, ...]) -> bool:
    """Whether the web server at `url` says that it is ready.

    Args:
        allowed_hosts: the names it answers to.
    """
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=2)
    names = [name for name in allowed_hosts if not name.startswith((".", "*"))]
    try:
        connection.request("GET", "/readyz", headers={"Host": names[0] if names else "localhost"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
