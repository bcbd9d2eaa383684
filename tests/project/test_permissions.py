"""Who may do what, walked: every route of the URLconf and every action of the admin, as every kind of person.

The tables below are the declaration. A route or an action that is not in them fails the walk, as does one that lets in
somebody else than they say. One letter is one kind of person:

    -  a stranger, and equally somebody with all rights whose account may not log in
    N  somebody who may log in and is in no group
    V O D A  viewer, operator, data scientist, admin
    S  a superuser
"""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import transaction

from inference.engine.store import FolderStore
from inference.http.permissions import BearerAuthentication, HasScope
from inference.http.views import ExpressView
from inference.models import ControlLog
from inference.services import release_deploy
from jobs.models import BatchJob, TrainingRun
from tests.inference import tiny
from tests.project.walk import address, person, routes

ALL, IN, LOOK = "-NVODAS", "NVODAS", "VODAS"
NOBODY = ""

ROUTES: dict[str, tuple[str, str]] = {
    # route: who may GET, who may POST
    "api/schema/": (ALL, NOBODY),
    "api/docs/": (ALL, NOBODY),
    # Getting in, and one's own password
    "login/": (ALL, ALL),
    "logout/": ("-", ALL),
    "password_reset/": (ALL, ALL),
    "password_reset/sent/": (ALL, NOBODY),
    "password_reset/<uidb64>/<token>/": (ALL, ALL),
    "password_reset/done/": (ALL, NOBODY),
    "password_change/": (IN, IN),
    "password_change/done/": (IN, NOBODY),
    # The console
    "": (IN, IN),
    "endpoints/": (ALL, ALL),
    "devices/": (ALL, ALL),
    "endpoints/<str:slug>/": (LOOK, NOBODY),
    "endpoints/<str:slug>/versions/": (LOOK, NOBODY),
    "endpoints/<str:slug>/connect/": (LOOK, NOBODY),
    "endpoints/<str:slug>/try/": ("ODAS", "ODAS"),
    "endpoints/<str:slug>/try/credential/": (NOBODY, "OAS"),
    "endpoints/<str:slug>/versions/<str:tag>/": (LOOK, NOBODY),
    "endpoints/<str:slug>/versions/<str:tag>/card.md": (LOOK, NOBODY),
    "endpoints/<str:slug>/versions/<str:tag>/deploy/": ("DAS", "DAS"),
    "predictions/<uuid:id>/recompute/": (NOBODY, LOOK),
    "predictions/<uuid:id>/feedback/": ("ODAS", "ODAS"),
    "devices/<str:name>/": (LOOK, NOBODY),
    "devices/<str:name>/rotate/": (NOBODY, "OAS"),
    "devices/<str:name>/switch/": (NOBODY, "OAS"),
    "inference/credential/<int:pk>/revoke/": (NOBODY, "OAS"),
    "inference/note/on/<str:kind>/<str:pk>/": (NOBODY, "ODAS"),
    "inference/note/<int:pk>/take-away/": (NOBODY, "AS"),
    "auth/user/<id>/password/": ("AS", "AS"),
    # Jobs
    "jobs/": (LOOK, NOBODY),
    "jobs/upload/": (LOOK, "ODAS"),
    "jobs/query/": (LOOK, "ODAS"),
    "jobs/examples/<str:slug>.csv": (LOOK, NOBODY),
    "jobs/<uuid:id>/": (LOOK, NOBODY),
    "jobs/<uuid:id>/report/": (LOOK, NOBODY),
    "jobs/<uuid:id>/download/<str:format>/": (LOOK, NOBODY),
    "jobs/<uuid:id>/<str:action>/": (NOBODY, "ODAS"),
    "trainings/": (LOOK, NOBODY),
    "trainings/start/": (LOOK, "DAS"),
    "trainings/<uuid:id>/": (LOOK, NOBODY),
    "trainings/<uuid:id>/<str:action>/": (NOBODY, "DAS"),
    "schedules/": (LOOK, "ODAS"),
    "schedules/<str:name>/": (LOOK, "ODAS"),
    "schedules/<str:name>/<str:action>/": (NOBODY, "ODAS"),
    # What the pages of the admin need
    "search/": (IN, IN),
    "autocomplete/": ("OAS", NOBODY),
    "jsi18n/": (IN, NOBODY),
    "r/<path:content_type_id>/<path:object_id>/": (NOBODY, NOBODY),
    r"^(?P<app_label>inference|auth)/$": (LOOK, LOOK),
    "(?P<url>.*)$": (NOBODY, NOBODY),
}

EXPRESS: dict[str, tuple[str, ...] | None] = {
    # route: the scopes of which a credential needs one; None lets in everyone. No person's login opens these.
    "livez": None,
    "readyz": None,
    "api/v1/endpoints/": ("predict", "read"),
    "api/v1/endpoints/<str:endpoint>/": ("predict", "read"),
    "api/v1/endpoints/<str:endpoint>/predict": ("predict",),
    "api/v1/predictions/<str:id>": ("read",),
    "api/v1/predictions/<str:id>/feedback": ("feedback",),
    "api/v1/predictions/feedback": ("feedback",),
    "api/v1/jobs/batch/": ("jobs",),
    "api/v1/jobs/batch/<str:id>/": ("jobs",),
    "api/v1/jobs/batch/<str:id>/pause": ("jobs",),
    "api/v1/jobs/batch/<str:id>/resume": ("jobs",),
    "api/v1/jobs/batch/<str:id>/cancel": ("jobs",),
    "api/v1/jobs/batch/<str:id>/retry": ("jobs",),
    "api/v1/jobs/batch/<str:id>/results": ("jobs",),
    "api/v1/jobs/batch/<str:id>/download": ("jobs",),
    "api/v1/jobs/batch/<str:id>/report": ("jobs",),
    "api/v1/jobs/training/": ("jobs",),
    "api/v1/jobs/training/<str:id>/": ("jobs",),
    "api/v1/jobs/training/<str:id>/approve": ("admin",),
    "api/v1/jobs/training/<str:id>/reject": ("admin",),
    "api/v1/jobs/training/<str:id>/cancel": ("jobs",),
    "api/v1/jobs/training/<str:id>/log": ("jobs",),
    "api/v1/jobs/schedules/": ("jobs",),
    "api/v1/jobs/schedules/<str:name>/": ("jobs",),
}

MODELS: dict[str, tuple[str, str, str, str]] = {
    # model: who may look, add, change, delete
    "inference.endpoint": (LOOK, NOBODY, "AS", NOBODY),
    "inference.version": (LOOK, NOBODY, NOBODY, NOBODY),
    "inference.deployment": (LOOK, NOBODY, NOBODY, NOBODY),
    "inference.prediction": (LOOK, NOBODY, NOBODY, NOBODY),
    "inference.feedback": (LOOK, NOBODY, NOBODY, NOBODY),
    "inference.rejection": (LOOK, NOBODY, NOBODY, NOBODY),
    "inference.note": (LOOK, NOBODY, NOBODY, NOBODY),
    "inference.device": (LOOK, "OAS", "OAS", NOBODY),
    "inference.credential": ("OAS", "OAS", "OAS", NOBODY),
    "inference.controllog": ("AS", NOBODY, NOBODY, NOBODY),
    "auth.user": ("OAS", "AS", "AS", NOBODY),
    "auth.group": ("AS", "S", "S", "S"),
}

ACTIONS: dict[str, dict[str, str]] = {
    "inference.device": {"disable": "OAS", "enable": "OAS"},
    "inference.credential": {"revoke": "OAS"},
    "auth.group": {"delete_selected": "S"},
}


def declared() -> dict[str, tuple[str, str]]:
    """Every route of the tables and who may GET and POST it."""
    routes = dict(ROUTES)
    for label, (look, add, change, delete) in MODELS.items():
        base = f"{label.replace('.', '/')}/"
        routes |= {
            base: (look, look),
            f"{base}add/": (add, add),
            f"{base}<path:object_id>/change/": (look, change),
            f"{base}<path:object_id>/history/": (look, look),
            f"{base}<path:object_id>/delete/": (delete, delete),
            # Leads to the page of the row, which asks for itself.
            f"{base}<path:object_id>/": (IN, IN),
        }
    return routes


def is_let_in(answer) -> bool:
    """Whether the answer is more than a refusal, an absence or the way to the login."""
    refused = answer.status_code in (401, 403, 404, 405)
    return not refused and not answer.headers.get("Location", "").startswith("/login/")


def test_every_route_and_every_page_of_the_admin_is_declared():
    assert sorted({route for route, _ in routes()}) == sorted([*declared(), *EXPRESS])
    assert {model._meta.label_lower for model in admin.site._registry} == set(MODELS)


def test_every_route_of_the_express_lane_asks_for_the_declared_scopes_and_for_nothing_a_browser_has():
    views = {route: view for route, view in routes() if route in EXPRESS}
    for route, scopes in EXPRESS.items():
        assert issubclass(views[route], ExpressView), route
        assert views[route].scopes == (scopes or ()), route
        lets_in_by = ([], []) if scopes is None else ([BearerAuthentication], [HasScope])
        assert (views[route].authentication_classes, views[route].permission_classes) == lets_in_by, route
    assert not [route for route, view in routes() if route.startswith("api/v1/") and route not in EXPRESS]


@pytest.mark.parametrize("letter", [*IN, "-", ""])
def test_every_route_lets_in_who_is_declared_and_nobody_else(client, rows, letter):
    somebody = person(letter) if letter else None
    client.raise_request_exception = False
    wrong = []
    for route, who in declared().items():
        for method, allowed in zip(("get", "post"), who, strict=True):
            point = transaction.savepoint()
            if somebody is not None:
                client.force_login(somebody)
            answer = getattr(client, method)(address(route, rows))
            if is_let_in(answer) is not ((letter or "-") in allowed):
                wrong.append(f"{method.upper()} {route}: {answer.status_code} {answer.headers.get('Location', '')}")
            transaction.savepoint_rollback(point)
    assert wrong == []


@pytest.mark.parametrize("letter", [*IN])
def test_every_action_is_offered_to_who_is_declared_and_refused_to_all_others(client, rf, rows, letter):
    somebody = person(letter)
    for model, page in admin.site._registry.items():
        label = model._meta.label_lower
        request = rf.get("/")
        request.user = somebody
        said = {name for name, who in ACTIONS.get(label, {}).items() if letter in who}
        assert set(page.get_actions(request)) == said, label
        for name in ACTIONS.get(label, {}):
            point, before = transaction.savepoint(), ControlLog.objects.count()
            client.force_login(somebody)
            row = rows[label]
            if name == "enable":
                model.objects.filter(pk=row.pk).update(disabled_at="2026-01-01T00:00Z")
            client.post(f"/{label.replace('.', '/')}/", {"action": name, "_selected_action": row.pk, "post": "yes"})
            assert (ControlLog.objects.count() > before) is (name in said), f"{label} {name}"
            transaction.savepoint_rollback(point)


@pytest.mark.parametrize(("letter", "status"), [("D", 403), ("A", 302), ("S", 302)])
def test_an_endpoint_of_somebody_else_is_deployed_by_who_may_act_on_all(client, rows, tmp_path, letter, status):
    flow = rows["inference.endpoint"]
    tiny.write_version(tmp_path / "artifacts" / "flow", number="1.1.0", slope=2)
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(tmp_path / "store"), actor="test")
    flow.owner = rows["auth.user"]
    flow.save()
    client.force_login(person(letter))
    said = {"reason": "better", "instead_of": "line-1.0.0"}
    assert client.post("/endpoints/flow/versions/line-1.1.0/deploy/", said).status_code == status
    assert flow.deployments.count() == (2 if status == 302 else 1)


@pytest.mark.parametrize(("letter", "status"), [("O", 403), ("D", 403), ("A", 302), ("S", 302)])
def test_work_of_an_endpoint_of_somebody_else_is_left_to_who_may_act_on_all(client, rows, letter, status):
    flow = rows["inference.endpoint"]
    flow.owner = rows["auth.user"]
    flow.save()
    client.force_login(person(letter))
    BatchJob.objects.update(state="running")
    said = {"reason": "better", "sure": "yes"}
    assert client.post(f"/jobs/{rows['job'].pk}/cancel/", said).status_code == status
    assert client.post(f"/trainings/{rows['run'].pk}/reject/", said).status_code == status
    assert client.post("/schedules/nightly/disable/").status_code == status
    assert (BatchJob.objects.get().state == "cancelled") is (status == 302)
    assert (TrainingRun.objects.get().state == "rejected") is (status == 302)
    offered = client.get("/jobs/").context["upload"].answerers
    assert bool(offered) is (status == 302)


def test_who_may_not_deploy_does_not_approve(client, rows):
    somebody = person("O")
    somebody.user_permissions.add(Permission.objects.get(codename="run_trainingrun"))
    client.force_login(somebody)
    assert client.post(f"/trainings/{rows['run'].pk}/approve/", {"reason": "good"}).status_code == 403
    assert TrainingRun.objects.get().state == "waiting"
