"""Feedback over REST: what is told of one prediction, or of up to 500."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from inference.api import feedback_schema
from inference.engine import strict_json
from inference.engine.errors import ForetellError, InvalidInput, Problem
from inference.engine.inputs import clipped
from inference.feedback import MAX_ITEMS, Told, feedback_store
from inference.http.problems import pointer
from inference.http.register import REGISTER
from inference.http.replies import Reply
from inference.http.requests import Request
from inference.http.views import ExpressView
from inference.truth import FIELDS, Truth, prediction_of, truth_read

MULTI_STATUS = 207


class FeedbackView(ExpressView):
    """What is true of one prediction."""

    scopes = ("feedback",)

    @feedback_schema.feedback_give
    async def post(self, request: Request, id: str) -> bytes:
        """Store it, and answer once it is committed."""
        prediction = prediction_of(id)
        body = _object(await request.body())
        _refuse_unknown(body, FIELDS - {"prediction"}, ())
        truth = truth_read({**body, "prediction": str(prediction)})
        (outcome,) = await feedback_store(database=request.predictor.database, items=[truth], caller=request.auth)
        if not isinstance(outcome, Told):
            raise outcome
        return msgspec.json.encode(_told(outcome) | {"request_id": request.id})


class FeedbackBatchView(ExpressView):
    """What is true of several predictions."""

    scopes = ("feedback",)

    @feedback_schema.feedback_batch
    async def post(self, request: Request) -> Reply:
        """Store every item that can be, and answer for each on its own."""
        items = _items(await request.body())
        read = [_read(item, ("feedback", place)) for place, item in enumerate(items)]
        truths = [one for one in read if isinstance(one, Truth)]
        outcomes = iter(
            await feedback_store(database=request.predictor.database, items=truths, caller=request.auth)
            if truths
            else ()
        )
        answers = [
            _shown(next(outcomes) if isinstance(one, Truth) else one, item, place)
            for place, (item, one) in enumerate(zip(items, read, strict=True))
        ]
        return Reply(
            body=msgspec.json.encode({"feedback": answers, "request_id": request.id}),
            status=200 if all(answer["stored"] for answer in answers) else MULTI_STATUS,
        )


def _object(raw: bytes) -> dict[str, Any]:
    body = strict_json.decode(raw)
    if not isinstance(body, dict):
        raise InvalidInput(Problem("not_an_object", (), f"Expected an object; got {clipped(body)}."))
    return body


def _items(raw: bytes) -> list[Any]:
    """The items of a body, each still as it came.

    Raises:
        InvalidInput: they are not where they should be, or too few or too many.
    """
    body = _object(raw)
    _refuse_unknown(body, {"feedback"}, ())
    items = body.get("feedback")
    path = ("feedback",)
    if not isinstance(items, list):
        detail = f"Expected `feedback`, a list of 1 to {MAX_ITEMS} items; got {clipped(items)}."
        raise InvalidInput(Problem("wrong_shape", path, detail))
    if not items:
        raise InvalidInput(Problem("no_rows", path, f"Expected 1 to {MAX_ITEMS} items; none came."))
    if len(items) > MAX_ITEMS:
        detail = f"Expected at most {MAX_ITEMS} items a request; got {len(items)}. Split them."
        raise InvalidInput(Problem("too_many_rows", path, detail))
    return items


def _refuse_unknown(said: dict[str, Any], known: set[str] | frozenset[str], path: tuple[str | int, ...]) -> None:
    problems = [
        Problem("unknown_field", (*path, name), f"`{clipped(name)}` is not a field here. Expected {_listed(known)}.")
        for name in said
        if name not in known
    ]
    if problems:
        raise InvalidInput(*problems)


def _listed(names: set[str] | frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _read(item: Any, path: tuple[str | int, ...]) -> Truth | ForetellError:
    """One item of several, or why it is none: its neighbours are served all the same."""
    try:
        if not isinstance(item, dict):
            raise InvalidInput(Problem("not_an_object", path, f"Expected an object; got {clipped(item)}."))
        _refuse_unknown(item, FIELDS, path)
        return truth_read(item, path)
    except ForetellError as error:
        return error


def _told(outcome: Told) -> dict[str, Any]:
    return {
        "prediction": outcome.prediction,
        "stored": True,
        "duplicate": outcome.duplicate,
        "revision": outcome.revision,
    }


def _shown(outcome: Told | ForetellError, item: Any, place: int) -> dict[str, Any]:
    """One item's answer, with the status it would have had alone."""
    if isinstance(outcome, Told):
        return {"status": 200} | _told(outcome)
    prediction = item.get("prediction") if isinstance(item, dict) else None
    path: Sequence[str | int] = ("prediction",)
    if isinstance(outcome, InvalidInput):
        path = outcome.problems[0].path
    if tuple(path[:1]) != ("feedback",):
        path = ("feedback", place, *path)
    return {
        "status": REGISTER[outcome.code].status,
        "prediction": _id(prediction),
        "stored": False,
        "code": outcome.code,
        "detail": str(outcome).encode("utf-8", "replace").decode(),
        "pointer": pointer(tuple(path)),
    }


def _id(prediction: object) -> str | UUID | None:
    """The id as it came, if it was one at all."""
    return clipped(prediction) if isinstance(prediction, str) else None
