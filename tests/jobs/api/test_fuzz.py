"""What the OpenAPI document says of jobs, and what it does not, thrown at a real server: no answer is our fault."""

import json
from typing import Any

import httpx
import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.jobs.web import Server

JOBS = "/api/v1/jobs"
OPERATIONS = [
    (f"{JOBS}/batch/", "GET"),
    (f"{JOBS}/batch/{{id}}/results", "GET"),
    (f"{JOBS}/batch/{{id}}/cancel", "POST"),
    (f"{JOBS}/training/", "POST"),
    (f"{JOBS}/training/{{id}}/approve", "POST"),
    (f"{JOBS}/schedules/", "POST"),
    (f"{JOBS}/schedules/{{name}}/", "PATCH"),
]


@pytest.fixture(scope="module")
def document() -> Any:
    """The document as clients get it."""
    generated = SchemaGenerator().get_schema(request=None, public=True)
    return schemathesis.openapi.from_dict(json.loads(json.dumps(generated, default=str)))


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_makes_the_server_fail(
    document: Any, server: Server, jobs: httpx.Client, path: str, method: str, mode: GenerationMode
) -> None:
    @given(case=document[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def ask(case: Any) -> None:
        case.call_and_validate(
            base_url=server.url,
            headers={"authorization": jobs.headers["authorization"]},
            checks=(
                not_a_server_error,
                content_type_conformance,
                response_schema_conformance,
                status_code_conformance,
            ),
        )

    ask()
