"""Lists of batch jobs and of training runs: narrowed, the newest first, a page at a time."""

from collections.abc import Callable, Collection
from typing import Any

import msgspec
from django.db.models import QuerySet

from inference.http.requests import Request
from jobs.api import queries
from jobs.api.access import seen
from jobs.api.database import ask

PARAMETERS = ("endpoint", "state", "before", "limit")
"""What may stand behind the `?` of a list's address."""
PAGE, MOST_LISTED = 50, 200


async def listed(
    request: Request, name: str, rows: QuerySet, states: Collection[str], shown: Callable[[Any], dict[str, Any]]
) -> bytes:
    """A page of rows as JSON: under a name those that the caller may see, under `next` what the next page asks with.

    Args:
        states: what `state` may be.
        shown: a row as the API shows it, with its `id`.

    Raises:
        BadPage: the address asks for no page.
    """
    query = request.query()
    limit = queries.number(query, "limit", default=PAGE, low=1, high=MOST_LISTED)
    asked = {
        "endpoint__slug": query.get("endpoint"),
        "state": queries.word(query, "state", states),
        "pk__lt": queries.place(query, "before"),
    }
    found = seen(request.auth, rows).filter(**{field: value for field, value in asked.items() if value})
    newest = found.order_by("-pk")[: limit + 1]
    some = await ask(request, lambda: [shown(row) for row in newest])
    more = some[limit - 1]["id"] if len(some) > limit else None
    return msgspec.json.encode({name: some[:limit], "next": more})
