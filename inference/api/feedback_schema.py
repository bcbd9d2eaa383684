"""What the OpenAPI document says of feedback."""

from drf_spectacular.utils import OpenApiExample

from inference.api import serializers
from inference.api.schema import ANYONE, CALLER, PREDICTION_ID, REQUEST_ID, answer, operation, problems
from inference.engine.errors import ForetellError, InvalidInput, Problem
from inference.errors import NotFound
from inference.http import errors as http
from inference.http import media
from inference.http.requests import MAX_BODY_BYTES

_TOLD = {"prediction": PREDICTION_ID, "stored": True, "duplicate": False, "revision": 1}
_BAD_LABEL = Problem("bad_label", ("value",), "`value` expects one of normal, fault; got the text leak.")
_BODY_PROBLEMS: tuple[ForetellError, ...] = (
    InvalidInput(Problem("malformed_json", (), "Not JSON at 1:17: Expecting value.")),
    http.BodyTooLarge(MAX_BODY_BYTES),
    http.UnsupportedMediaType("text/plain", media.ACCEPTED),
    http.UnsupportedEncoding("gzip"),
)

feedback_give = operation(
    "feedback_give",
    "Tell what is true of a prediction",
    {
        200: answer(
            serializers.FeedbackAnswerSerializer,
            "It is committed. What the same source says next is the next revision, and the last one counts; the same "
            "again is a duplicate.",
            _TOLD | {"request_id": REQUEST_ID},
        )
    }
    | problems(*ANYONE, *CALLER, *_BODY_PROBLEMS, NotFound("This prediction"), InvalidInput(_BAD_LABEL)),
    request={"application/json": serializers.FeedbackSerializer},
    examples=[
        OpenApiExample("a label", {"value": "fault"}, request_only=True),
        OpenApiExample("a value, and when", {"value": 12.5, "ts": "2026-11-22T14:30:00Z"}, request_only=True),
    ],
)

_REFUSED = {"status": 404, "prediction": REQUEST_ID, "stored": False, "code": "not_found"} | {
    "detail": str(NotFound("This prediction")),
    "pointer": "/feedback/1/prediction",
}

feedback_batch = operation(
    "feedback_batch",
    "Tell what is true of up to 500 predictions",
    {
        200: answer(
            serializers.FeedbackBatchAnswerSerializer,
            "All of it is committed. What is told of one prediction in several items is stored in their order.",
            {"feedback": [{"status": 200} | _TOLD], "request_id": REQUEST_ID},
        ),
        207: answer(
            serializers.FeedbackBatchAnswerSerializer,
            "Items with `stored: true` are committed; the others say why they are not.",
            {"feedback": [{"status": 200} | _TOLD, _REFUSED], "request_id": REQUEST_ID},
        ),
    }
    | problems(
        *ANYONE,
        *CALLER,
        *_BODY_PROBLEMS,
        InvalidInput(Problem("no_rows", ("feedback",), "Expected 1 to 500 items; none came.")),
        InvalidInput(Problem("too_many_rows", ("feedback",), "Expected at most 500 items a request; got 501.")),
    ),
    request={"application/json": serializers.FeedbackBatchSerializer},
    examples=[
        OpenApiExample(
            "two",
            {
                "feedback": [
                    {"prediction": PREDICTION_ID, "value": "fault"},
                    {"prediction": REQUEST_ID, "value": "normal"},
                ]
            },
            request_only=True,
        ),
    ],
)
