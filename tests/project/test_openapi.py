"""The OpenAPI document and its page: valid, true, and whole without the network."""

import json
import re
from typing import Any

import jsonschema
import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from openapi_spec_validator import validate

from inference.http.register import REGISTER
from tests.project.lane import taken


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str))


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, operation) for path, item in document["paths"].items() for operation in item.values()]


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)


async def test_it_shows_every_express_route(document: dict[str, Any]) -> None:
    assert sorted(document["paths"]) == [
        "/api/v1/endpoints/",
        "/api/v1/endpoints/{endpoint}/",
        "/api/v1/endpoints/{endpoint}/predict",
        "/api/v1/jobs/batch/",
        "/api/v1/jobs/batch/{id}/",
        "/api/v1/jobs/batch/{id}/cancel",
        "/api/v1/jobs/batch/{id}/download",
        "/api/v1/jobs/batch/{id}/pause",
        "/api/v1/jobs/batch/{id}/report",
        "/api/v1/jobs/batch/{id}/results",
        "/api/v1/jobs/batch/{id}/resume",
        "/api/v1/jobs/batch/{id}/retry",
        "/api/v1/jobs/schedules/",
        "/api/v1/jobs/schedules/{name}/",
        "/api/v1/jobs/training/",
        "/api/v1/jobs/training/{id}/",
        "/api/v1/jobs/training/{id}/approve",
        "/api/v1/jobs/training/{id}/cancel",
        "/api/v1/jobs/training/{id}/log",
        "/api/v1/jobs/training/{id}/reject",
        "/api/v1/predictions/feedback",
        "/api/v1/predictions/{id}",
        "/api/v1/predictions/{id}/feedback",
        "/livez",
        "/readyz",
    ]
    assert [path for path in document["paths"] if not await taken(path)] == []


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    checked = 0
    for path, operation in operations(document):
        for content in contents(operation):
            validator = jsonschema.Draft202012Validator(_resolvable(content["schema"], document))
            for example in content.get("examples", {}).values():
                errors = [error.message for error in validator.iter_errors(example["value"])]
                assert not errors, (path, errors)
                checked += 1
    assert checked > 40


def contents(operation: dict[str, Any]) -> list[dict[str, Any]]:
    answers = [content for answer in operation["responses"].values() for content in answer.get("content", {}).values()]
    return [*operation.get("requestBody", {}).get("content", {}).values(), *answers]


def _resolvable(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """A schema with its references beside it; OpenAPI 3.0's `nullable` said as JSON Schema does."""
    return json.loads(json.dumps(_nullable({**schema, "components": document["components"]})))


def _nullable(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_nullable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: _nullable(value) for name, value in schema.items()}
    return {"anyOf": [inner, {"type": "null"}]} if schema.get("nullable") is True else inner


def test_every_operation_with_a_credential_says_what_may_go_wrong(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        if not operation.get("security"):
            continue
        assert {"400", "401", "403", "406", "500", "503"} <= set(operation["responses"]), path
        assert {"200", "201", "204"} & set(operation["responses"]), path
        for status, answer in operation["responses"].items():
            for example in answer.get("content", {}).get("application/problem+json", {}).get("examples", {}).values():
                problem = example["value"]
                assert str(problem["status"]) == status
                # Only a file that finds no room has another status than its code.
                assert status in (str(REGISTER[problem["code"]].status), "507")


def test_the_document_is_served_to_anyone(client: Client, document: dict[str, Any]) -> None:
    answer = client.get("/api/schema/", headers={"accept": "application/json"})
    assert answer.status_code == 200
    assert set(answer.json()["paths"]) == set(document["paths"])


def test_the_page_asks_only_this_server(client: Client) -> None:
    answer = client.get("/api/docs/")
    assert answer.status_code == 200
    page = answer.content.decode()
    asked = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(asked) >= 4
    assert all(address.startswith("/") and not address.startswith("//") for address in asked)
    for address in asked:
        if address.startswith("/static/"):
            assert finders.find(address.removeprefix("/static/")), address
    script = client.get("/api/docs/?script=").content.decode()
    assert "/api/schema/" in script
    assert not re.findall(r"https?://|//cdn", page + script)


def test_the_page_may_run_no_other_script(client: Client) -> None:
    policy = client.get("/api/docs/")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy


@pytest.mark.parametrize(("path", "method", "code"), [("/api/schema/", "post", "method_not_allowed")])
def test_django_s_views_refuse_in_the_same_form(client: Client, path: str, method: str, code: str) -> None:
    answer = getattr(client, method)(path)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code
