"""What the OpenAPI document allows, and what it does not, thrown at a real server: no answer is a fault of ours."""

import json
from typing import Any

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings, strategies
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.faults.stack import Stack

SLUGS = ("", "valve", "shuttle-fault", "water-flow")
"""What the endpoint in the path is replaced by; empty for what was made up."""


@pytest.fixture(scope="module")
def document() -> Any:
    """The document as clients get it."""
    generated = SchemaGenerator().get_schema(request=None, public=True)
    return schemathesis.openapi.from_dict(json.loads(json.dumps(generated, default=str)))


OPERATIONS = [
    ("/api/v1/endpoints/", "GET"),
    ("/api/v1/endpoints/{endpoint}/", "GET"),
    ("/api/v1/endpoints/{endpoint}/predict", "POST"),
    ("/api/v1/predictions/{id}", "GET"),
]


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_makes_the_server_fail(
    document: Any, stack: Stack, token: str, path: str, method: str, mode: GenerationMode
) -> None:
    @given(case=document[path][method].as_strategy(generation_mode=mode), slug=strategies.sampled_from(SLUGS))
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def ask(case: Any, slug: str) -> None:
        if slug and "endpoint" in case.path_parameters:
            case.path_parameters["endpoint"] = slug
        case.call_and_validate(
            base_url=f"http://{stack.host}:{stack.port}",
            headers={"authorization": f"Bearer {token}"},
            checks=(
                not_a_server_error,
                content_type_conformance,
                response_schema_conformance,
                status_code_conformance,
            ),
        )

    ask()
