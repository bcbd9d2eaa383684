"""`manage.py release`: what a new image needs before its processes start: tables, models, the first admin, rights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections, transaction
from psycopg import sql

from inference.management.command import RegistryCommand, command_actor
from inference.services import control_log_write
from project.management.commands.prepare import ADMIN

TURN = 0x466F726574656C6C
"""The key of the advisory lock: `Foretell` in ASCII."""
PATIENCE_S = 600
"""How long another release may take."""
LOCKED_S = 10
"""How long a migration may wait for a table that is in use. Readers and writers queue up behind it meanwhile."""


class Command(RegistryCommand):
    """Migrate, deploy artifacts/, make the first admin, let web in. Again, or on several machines at once, is safe."""

    help = (
        "Bring the database and the store to where this image can serve: migrate, deploy artifacts/, and make the user "
        f"`{ADMIN}` with ADMIN_PASSWORD where nobody may administer yet. The user of WEB_DATABASE_URL gets the rights "
        "of `grant` and the password given there. Several releases take turns."
    )

    def run(self, **_: Any) -> None:
        """Take the steps, alone."""
        url = settings.ENVIRONMENT.web_database_url
        web = _user_and_password(url) if url else None
        with self._turn():
            with _patient_statements():
                call_command("migrate", interactive=False, verbosity=1, stdout=self.stdout)
            call_command("deploy", stdout=self.stdout)
            self.stdout.write(admin_ensure(settings.ENVIRONMENT.admin_password))
            if web:
                self._admit(*web)

    def _admit(self, user: str, password: str) -> None:
        """Let this user serve, with this password."""
        call_command("grant", user, stdout=self.stdout)
        with connection.cursor() as cursor:
            # Only the verifier goes over the wire, and into a log of statements if Postgres keeps one.
            verifier = connection.connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256")
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
            cursor.execute(statement.format(sql.Identifier(user), sql.Literal(verifier.decode())))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold the advisory lock, on a connection of its own: it ends with the process, however that ends."""
        own = connections.create_connection(DEFAULT_DB_ALIAS)
        try:
            with own.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [TURN])
                if not cursor.fetchone()[0]:
                    self.stdout.write("Another release is running; waiting for it.")
                    self.stdout.flush()
                    cursor.execute(f"SET statement_timeout = 0; SET lock_timeout = '{PATIENCE_S}s'")
                    _wait(cursor)
            yield
        finally:
            own.close()


def _user_and_password(url: str) -> tuple[str, str]:
    address = urlsplit(url)
    if not address.username or not address.password:
        raise CommandError("WEB_DATABASE_URL must have a user and a password, as postgresql://user:password@host/name.")
    return unquote(address.username), unquote(address.password)


def _wait(cursor: Any) -> None:
    try:
        cursor.execute("SELECT pg_advisory_lock(%s)", [TURN])
    except OperationalError as error:
        raise CommandError(f"Another release is still running after {PATIENCE_S} s; see what it waits for.") from error


@contextmanager
def _patient_statements() -> Iterator[None]:
    """Let statements of a migration take long, but not wait long."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = 0; SET lock_timeout = '{LOCKED_S}s'")
    try:
        yield
    finally:
        # After a lost connection there is nothing to take back, and the loss itself is what is told.
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("RESET statement_timeout; RESET lock_timeout")


def admin_ensure(password: str | None) -> str:
    """Make the first admin, unless somebody may administer already. A password is never set again.

    Returns:
        what to tell.

    Raises:
        CommandError: the password is too weak.
    """
    users = get_user_model().objects
    if users.filter(is_superuser=True, is_active=True).exists():
        return "admin: there is one"
    if password is None:
        return "admin: none yet; give ADMIN_PASSWORD, or run `manage.py createsuperuser`"
    try:
        validate_password(password)
    except ValidationError as error:
        raise CommandError(f"ADMIN_PASSWORD is refused. {' '.join(error.messages)}") from error
    with transaction.atomic():
        user = users.create_superuser(ADMIN, password=password)
        control_log_write(actor=command_actor("release"), action="user.create", target=user)
    return f"admin: `{ADMIN}` made, with ADMIN_PASSWORD"
