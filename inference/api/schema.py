"""What the OpenAPI document says of the API, with examples made by the code that answers.

Problem examples are documents of real errors, so the page can't say anything the server does not.
"""

from collections.abc import Callable
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
)

from inference.api import serializers
from inference.engine.errors import (
    ForetellError,
    InvalidInput,
    ModelError,
    ModelUnavailable,
    PredictTimeout,
    Problem,
)
from inference.engine.inputs import Input
from inference.engine.signature import Output, Signature
from inference.errors import (
    AuditUnavailable,
    InsufficientScope,
    Internal,
    InvalidToken,
    MissingToken,
    NotFound,
    Overloaded,
    TokenInUrl,
    UnknownEndpoint,
)
from inference.http import errors as http
from inference.http import media
from inference.http.problems import document
from inference.http.register import meaning_of
from inference.http.requests import MAX_BODY_BYTES

PROBLEM_TYPE = "application/problem+json"
REQUEST_ID = "019ab3f2-6a51-7b04-9d3e-54c1a2f0b7e8"
PREDICTION_ID = "019ab3f2-6a52-7000-8f21-7c0de1a5b9d4"
VERSION = "random_forest-1.0.0"
SHUTTLE = {"s1": 53, "s2": 0, "s3": 82, "s4": 0, "s5": 52, "s6": -5, "s7": 29, "s8": 30, "s9": 2}
FAULT = {"s1": 50, "s2": 21, "s3": 77, "s4": 0, "s5": 28, "s6": 0, "s7": 27, "s8": 48, "s9": 22}
"""Two readings of the shuttle data: a normal one and a fault."""
_NORMAL_OUTPUT = {"label": "normal", "scores": {"normal": 1.0, "fault": 0.0}}
_FAULT_OUTPUT = {"label": "fault", "scores": {"normal": 0.02, "fault": 0.98}}

ANYONE: tuple[ForetellError, ...] = (
    TokenInUrl(),
    http.UnknownParameter("page", ()),
    http.NotAcceptable(),
    Internal(REQUEST_ID),
)
"""What every address may answer."""
CALLER: tuple[ForetellError, ...] = (
    MissingToken(),
    InvalidToken(),
    InsufficientScope("predict"),
    Overloaded(1000),
    AuditUnavailable(),
)
"""What an address that wants a credential may answer besides."""


class BearerScheme(OpenApiAuthenticationExtension):
    """How the document shows our credentials."""

    target_class = "inference.http.permissions.BearerAuthentication"
    name = "credential"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """HTTP bearer."""
        return {"type": "http", "scheme": "bearer", "description": "A credential: `ft_<prefix>_<secret>`."}


def problems(*errors: ForetellError) -> dict[tuple[int, str], OpenApiResponse]:
    """Problem responses by status, each with an example for each error."""
    by_status: dict[int, list[ForetellError]] = {}
    for error in errors:
        by_status.setdefault(meaning_of(error).status, []).append(error)
    return {
        (status, PROBLEM_TYPE): OpenApiResponse(
            serializers.ProblemSerializer,
            description=", ".join(f"`{code}`" for code in dict.fromkeys(error.code for error in some)),
            examples=[
                OpenApiExample(error.code, document(error, REQUEST_ID), response_only=True, media_type=PROBLEM_TYPE)
                for error in some
            ],
        )
        for status, some in sorted(by_status.items())
    }


def answer(serializer: Any, description: str, example: Any) -> OpenApiResponse:
    """A good response with an example."""
    return OpenApiResponse(
        serializer, description=description, examples=[OpenApiExample("answer", example, response_only=True)]
    )


def operation(operation_id: str, summary: str, responses: dict[Any, Any], **said: Any) -> Callable[[Any], Any]:
    """An operation of the document, under the heading that its id begins with.

    Args:
        said: what else drf-spectacular's `extend_schema` takes.
    """
    request_id = OpenApiParameter(
        "X-Request-ID", str, OpenApiParameter.HEADER, description="Names the request in our log.", response=True
    )
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        tags=[operation_id.split("_")[0]],
        responses=responses,
        parameters=[*said.pop("parameters", ()), request_id],
        **said,
    )


_ENDPOINT = {
    "endpoint": "shuttle-fault",
    "name": "Shuttle fault",
    "description": "Is the radiator subsystem of a Space Shuttle normal, or is there a fault?",
    "audit": "strict",
    "champion": VERSION,
    "reason": None,
}
_SIGNATURE = Signature(
    tuple(Input(name=name, dtype="float", unit="1", min=-32768, max=32767) for name in SHUTTLE),
    Output(kind="classification", labels=("normal", "fault")),
)
_VERSIONS = [{"tag": VERSION, "digest": "sha256:" + "a7" * 32, "origin": "git", "created_at": "2026-11-22T14:00:00Z"}]

endpoint_list = operation(
    "endpoints_list",
    "The endpoints this credential may use",
    {200: answer(serializers.EndpointsSerializer, "By slug.", {"endpoints": [_ENDPOINT]})} | problems(*ANYONE, *CALLER),
)

endpoint_detail = operation(
    "endpoints_read",
    "One endpoint: its signature, champion and versions",
    {
        200: answer(
            serializers.EndpointDetailSerializer,
            "Inputs come with units and ranges.",
            _ENDPOINT
            | {
                "signature": _SIGNATURE.to_dict() | {"digest": _SIGNATURE.digest},
                "features_schema": _SIGNATURE.json_schema(),
                "versions": _VERSIONS,
            },
        )
    }
    | problems(
        *ANYONE, *CALLER, UnknownEndpoint("shutle-fault"), ModelUnavailable("This server", "it is still starting")
    ),
)

predict = operation(
    "endpoints_predict",
    "Predict one instance, or up to 256",
    {
        200: answer(
            serializers.PredictAnswerSerializer,
            "One prediction for each instance, in their order. With `stored: true` they are committed. If the model "
            "fails on one of them, the whole request is answered by that error.",
            {
                "predictions": [
                    {"id": PREDICTION_ID, "output": _NORMAL_OUTPUT, "version": VERSION, "stored": True},
                ],
                "request_id": REQUEST_ID,
            },
        )
    }
    | problems(
        *ANYONE,
        *CALLER,
        InvalidInput(Problem("malformed_json", (), "Not JSON at 1:17: Expecting value.")),
        UnknownEndpoint("shutle-fault"),
        http.BodyTooLarge(MAX_BODY_BYTES),
        InvalidInput(Problem("too_many_rows", ("instances",), "Expected at most 256 instances a request; got 300.")),
        http.UnsupportedMediaType("text/plain", media.ACCEPTED),
        http.UnsupportedEncoding("gzip"),
        InvalidInput(
            Problem("missing_feature", ("instances", 0, "s4"), "`s4` is required (float)."),
            Problem("wrong_type", ("instances", 1, "s1"), "`s1` expects float; got the text 12."),
        ),
        ModelError(VERSION),
        ModelUnavailable("Endpoint 'shuttle-fault'", "no version is deployed"),
        PredictTimeout(VERSION, 5.0),
    ),
    parameters=[
        OpenApiParameter("version", str, description="Ask this version instead of the champion: its tag."),
    ],
    request={
        "application/json": PolymorphicProxySerializer(
            component_name="PredictRequest",
            serializers=[serializers.OneInstanceSerializer, serializers.InstancesSerializer],
            resource_type_field_name=None,
        )
    },
    examples=[
        OpenApiExample("one, by name", {"features": SHUTTLE}, request_only=True),
        OpenApiExample("one, in order", {"features": list(SHUTTLE.values())}, request_only=True),
        OpenApiExample("several", {"instances": [SHUTTLE, list(FAULT.values())]}, request_only=True),
    ],
)

prediction_detail = operation(
    "predictions_read",
    "A stored prediction",
    {
        200: answer(
            serializers.PredictionSerializer,
            "As it was stored; nothing changes it.",
            {
                "id": PREDICTION_ID,
                "endpoint": "shuttle-fault",
                "version": VERSION,
                "features": FAULT,
                "output": _FAULT_OUTPUT,
                "error": None,
                "warnings": [],
                "source": "rest",
                "device": None,
                "request_id": REQUEST_ID,
                "client_id": None,
                "subject": None,
                "device_time": None,
                "predicted_at": "2026-11-22T14:00:01.234Z",
                "stored": True,
            },
        )
    }
    | problems(*ANYONE, *CALLER, NotFound("This prediction")),
)
