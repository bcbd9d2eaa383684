"""`manage.py grant`: give a role of Postgres what serving needs, and no way to rewrite what is kept."""

import argparse
from typing import Any

from django.core.management.base import CommandError
from django.db import connection, transaction
from psycopg import sql

from inference.management.command import RegistryCommand

EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"
KEPT = {
    "django_migrations": "SELECT",
    "inference_controllog": "SELECT, INSERT",
    "inference_deployment": "SELECT, INSERT, UPDATE (ended_at)",
    "inference_feedback": "SELECT, INSERT",
    "inference_note": "SELECT, INSERT, DELETE",
    "inference_prediction": "SELECT, INSERT",
    "inference_version": "SELECT, INSERT",
}
"""Tables of which a serving process may not do everything with the rows."""

_TABLES = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
    AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname
"""
_TOO_MUCH = """
SELECT rolsuper OR pg_has_role(%(role)s, current_user, 'MEMBER') OR EXISTS (
    SELECT FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND pg_has_role(%(role)s, c.relowner, 'MEMBER')
) FROM pg_roles WHERE rolname = %(role)s
"""


class Command(RegistryCommand):
    """Grants."""

    help = (
        "Let a role of Postgres serve: read and write rows, but neither change nor delete the control log, history, "
        "predictions, feedback and versions, and own nothing. Run as the tables' owner after each migration. A role "
        "that is not there is made, without a password."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What it takes."""
        parser.add_argument("role", help="e.g. foretell_web; the role in the DATABASE_URL of web processes")

    @transaction.atomic
    def run(self, *, role: str, **_: Any) -> str:
        """Make it if need be, and grant.

        Raises:
            CommandError: the role could do everything anyway, so that a grant would only look like a limit.
        """
        name = sql.Identifier(role)
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [role])
            if made := not cursor.fetchone()[0]:
                cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
            cursor.execute(_TOO_MUCH, {"role": role})
            if cursor.fetchone()[0]:
                raise CommandError(
                    f"{role} is a superuser, or owns the tables: nothing can be kept from it. Say another."
                )
            cursor.execute(_TABLES)
            tables = [table for (table,) in cursor.fetchall()]
            for table in tables:
                rights = sql.SQL(KEPT.get(table, EVERYTHING))
                where = sql.Identifier(table)
                cursor.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(where, name))
                cursor.execute(sql.SQL("GRANT {} ON {} TO {}").format(rights, where, name))
            cursor.execute("SELECT current_schema()")
            schema = sql.Identifier(cursor.fetchone()[0])
            cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, name))
            cursor.execute(sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {} TO {}").format(schema, name))
        password = f" Give it a password: psql -c '\\password {role}'" if made else ""
        return f"{role} may serve: {len(tables)} tables, {len(KEPT)} of them only in part.{password}"
