"""Every route of the URLconf, asked for with what nobody's form would send: never a failure of ours."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from django.contrib import admin
from django.contrib.admin.options import ModelAdmin

from inference.services import credential_create
from tests.jobs.web import Server, serving
from tests.project import walk
from tests.project.test_permissions import EXPRESS, declared

ODD = ("\0", "a\0b", "\ufffd", "9" * 30, "-1", "٣", "1e9", "nan", "2026-13-45T99:00", "../..", "'\"<", "x" * 5000)
ODD_NUMBERS = ("\0", "9" * 30, "-1", "nan")
PLACE = re.compile(r"<(?:(?:str|path):)?\w+>")
OF_LISTS = ("q", "o", "p", "all", "from", "until")
OF_PAGES = ("code", "after", "before", "version", "next", "list", "term", "app_label", "model_name", "field_name")
METHODS = {"GET", "POST", "PATCH", "PUT", "DELETE"}


def with_odd_places(route: str) -> Iterator[str]:
    """A route's addresses with something odd in the places of its texts; none for a route without them."""
    route = route.removeprefix("^").removesuffix("$")
    for odd in ODD if PLACE.search(route) else ():
        filled = PLACE.sub(lambda _, odd=odd: quote(odd, safe=""), route)
        yield "/" + re.sub(r"<\w+:\w+>", "7", filled)


def names_of_filters(page: ModelAdmin) -> set[str]:
    """What the address of a list may hold to narrow it."""
    names = set()
    for one in page.list_filter:
        name = one[0] if isinstance(one, tuple | list) else one
        name = name if isinstance(name, str) else getattr(name, "parameter_name", None)
        names |= {name, f"{name}__exact", f"{name}__id__exact", f"{name}__isnull", f"{name}__gte"} if name else set()
    return names


@pytest.fixture
def root(client: Any, rows: dict[str, Any]) -> Any:
    """A browser of somebody with all rights. An exception of a view is the test's."""
    client.force_login(walk.person("S"))
    return client


def test_odd_places_in_an_address_are_no_failure(root):
    for route in declared():
        for address in with_odd_places(route):
            for method in (root.get, root.post):
                assert method(address).status_code < 500, address


def test_odd_queries_of_lists_are_no_failure(root):
    for one, page in admin.site._registry.items():
        for name in {*OF_LISTS, *names_of_filters(page)}:
            for odd in ODD_NUMBERS:
                asked = f"/{one._meta.label_lower.replace('.', '/')}/?{name}={quote(odd)}"
                assert root.get(asked).status_code < 500, asked


def test_odd_queries_of_pages_are_no_failure(root, rows):
    for route in declared():
        for odd in ODD_NUMBERS if not route.startswith(("inference/", "auth/")) else ():
            asked = walk.address(route, rows).partition("?")[0] + "?" + urlencode(dict.fromkeys(OF_PAGES, odd))
            assert root.get(asked).status_code < 500, asked


def test_odd_forms_are_no_failure(root, rows):
    names = {"reason", "sure", "text", "action", "_selected_action"}
    for route in declared():
        page = root.get(walk.address(route, rows))
        names |= set() if page.streaming else set(re.findall(r'name="([\w-]+)"', page.content.decode()))
    for route in declared():
        for odd in ODD:
            address = walk.address(route, rows)
            assert root.post(address, dict.fromkeys(names, odd)).status_code < 500, (address, odd)


@pytest.fixture
def server(rows_committed: dict[str, Any], dsn: str, tmp_path: Any) -> Iterator[Server]:
    """A web process that serves them."""
    with serving(dsn, tmp_path) as server:
        yield server


@pytest.fixture
def rows_committed(clean_tables: None, tmp_path: Any) -> dict[str, Any]:
    """One row of everything, for other processes to see."""
    return walk.everything(tmp_path)


def test_odd_requests_of_programs_are_no_failure(server: Server, rows_committed: dict[str, Any]) -> None:
    scopes = ("predict", "read", "feedback", "jobs", "admin")
    key = credential_create(service="odd", scopes=scopes, actor="test").token
    views = {route: view for route, view in walk.routes() if route in EXPRESS}
    failures = []
    with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {key}"}, timeout=20) as client:
        for route, view in views.items():
            for method in METHODS & set(view._handlers):
                body = {"json": {}} if method != "GET" else {}
                names = view().parameters_of(method)
                asked = [*with_odd_places(route)]
                asked += [f"{walk.address(route, rows_committed)}?{n}={quote(odd)}" for n in names for odd in ODD]
                asked += [f"{walk.address(route, rows_committed)}?{n}=%FF" for n in names]
                for address in asked:
                    answer = client.request(method, address, **body)
                    if answer.status_code >= 500 or (answer.is_error and "code" not in answer.json()):
                        failures.append(f"{method} {address}: {answer.status_code}")
    assert failures == []
