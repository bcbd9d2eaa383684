"""The control log: every change of what Foretell is and of who may use it is written down with the change itself.

Whoever changes something calls `control_log_write` inside the transaction of the change: both are there, or neither.
"""

import datetime
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Model, QuerySet

from inference.models import ControlLog, Deployment

request_id: ContextVar[UUID | None] = ContextVar("request_id", default=None)
"""The request that is being answered, set by the door it came through."""


def control_log_write(
    *,
    actor: str,
    action: str,
    target: Model,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    deployment: Deployment | None = None,
) -> ControlLog:
    """Write one change down.

    Args:
        actor: a user's name, or the command and who ran it.
        action: `<what>.<verb>`, e.g. `device.disable`.
        target: the row that was changed.
        before: the changed values as they were, by name; never a secret or its digest.
        after: the same values as they became.
        deployment: the history's row of a deployment; its from, to and why are not repeated here.

    Raises:
        RuntimeError: it is called outside a transaction, or nobody is named.
    """
    if not actor:
        raise RuntimeError("The control log needs to know who made a change.")
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("The control log is written in the transaction of the change.")
    return ControlLog.objects.create(
        actor=actor[:150],
        action=action,
        object_id=str(target.pk),
        object_name=str(target)[:200],
        before=plain(before or {}),
        after=plain(after or {}),
        reason=reason,
        deployment=deployment,
        request_id=request_id.get(),
    )


def plain(value: Any) -> Any:
    """A value as JSON holds it: times in ISO 8601, rows by their names."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset | QuerySet):
        return [plain(one) for one in value]
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
