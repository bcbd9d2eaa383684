"""Feedback that a person gives at a page."""

from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction

from inference.engine.errors import ForetellError
from inference.feedback import Teller, Told, outcomes, statements
from inference.models import Prediction
from inference.truth import truth_read


@transaction.atomic
def feedback_give(
    *, prediction: Prediction, value: str | float, user: AbstractBaseUser, device_time: datetime | None = None
) -> Told:
    """Store what a person says of a prediction, as the next revision of what they said of it.

    Args:
        value: a label of the prediction's version, or the true value, as its output is.
        device_time: when it was found out.

    Raises:
        InvalidInput: with `bad_label` or `not_finite`, the value is no possible answer.
        NotFound: the prediction is gone.
    """
    said = {"prediction": str(prediction.pk), "value": value}
    item = truth_read(said | ({"ts": device_time.isoformat()} if device_time else {}))
    lock, store = statements([item], Teller(source=f"user:{user.get_username()}"))
    with connection.cursor() as cursor:
        cursor.execute(*lock)
        cursor.execute(*store)
        (outcome,) = outcomes([item], cursor.fetchall())
    if isinstance(outcome, ForetellError):
        raise outcome
    return outcome
