"""Every route of the URLconf, a row of everything that stands in their addresses, and every kind of person."""

import re
import uuid
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, User
from django.urls import URLResolver, get_resolver

from inference.engine.store import FolderStore
from inference.ids import prediction_id
from inference.models import ControlLog, Endpoint, Feedback, Note, Prediction
from inference.permissions import ADMIN, DATA_SCIENTIST, OPERATOR, VIEWER
from inference.services import credential_create, device_create, release_deploy
from jobs.models import BatchJob, TrainingRun
from jobs.replay.report import Interval, Report
from jobs.schedules.rows import BatchPlan
from jobs.services import schedule_create
from tests.inference import tiny

GROUPS = {"V": VIEWER, "O": OPERATOR, "D": DATA_SCIENTIST, "A": ADMIN}


def routes(patterns=None, before: str = "") -> list[tuple[str, type | None]]:
    """Every route of the URLconf, with the class of its view."""
    found = []
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += routes(pattern.url_patterns, route)
        else:
            found.append((route, getattr(pattern.callback, "view_class", None)))
    return found


def everything(folder: Path) -> dict[str, Any]:
    """One row of everything, which nobody owns, by the model's label. Endpoints and store are written to `folder`."""
    tiny.write_version(tiny.write_endpoint(folder / "artifacts"))
    release_deploy(artifacts=folder / "artifacts", into=FolderStore(folder / "store"), actor="test")
    flow = Endpoint.objects.get()
    version = flow.versions.get()
    device = device_create(name="pump-1", actor="test").credential.device
    other = User.objects.create_user("other", "other@example.com", is_staff=True)
    prediction = Prediction.objects.create(
        id=prediction_id(),
        endpoint=flow,
        version=version,
        source=1,
        request_id=uuid.uuid4(),
        features=[1.0, 2.0],
        output={"value": 3.0},
    )
    schedule_create(name="nightly", endpoint=flow, plan=BatchPlan(hours=24), crontab="0 2 * * *", actor="test")
    asked = {"endpoint": flow, "created_by": "test", "slot": "test"}
    job = BatchJob.objects.create(
        version=version,
        kind="query",
        format="ndjson",
        state="done",
        rows=0,
        report=nothing_compared(version.tag),
        **asked,
    )
    run = TrainingRun.objects.create(algorithm="line", policy="approve", state="waiting", candidate=version, **asked)
    rejection = apps.get_model("inference.rejection").objects.create(
        endpoint=flow, code="out_of_range", hour="2026-01-01T00:00Z", count=1
    )
    return {
        "inference.endpoint": flow,
        "inference.version": version,
        "inference.deployment": flow.deployments.get(),
        "inference.device": device,
        "inference.credential": credential_create(service="report", scopes=["read"], actor="test").credential,
        "inference.prediction": prediction,
        "inference.feedback": Feedback.objects.create(
            prediction=prediction, endpoint=flow, source="service:report", revision=1, value=3.5
        ),
        "inference.rejection": rejection,
        "job": job,
        "run": run,
        "inference.note": Note.objects.create(endpoint=flow, author=other, text="odd"),
        "inference.controllog": ControlLog.objects.first(),
        "auth.user": other,
        "auth.group": Group.objects.get(name=VIEWER),
    }


def nothing_compared(tag: str) -> dict:
    """The report of a replay without a row."""
    return Report(
        version=tag,
        kind="regression",
        unit=None,
        rows=0,
        compared=0,
        only_then=0,
        only_now=0,
        neither=0,
        versions_then={},
        tolerance=0.1,
        agreement=Interval(0, 0, None, None, None),
        differences=None,
        confusion=None,
        slices=[],
        least_rows=30,
        hours=[],
        quality=None,
    ).to_dict()


def person(letter: str) -> User:
    """Somebody of that kind."""
    if letter == "S":
        return User.objects.create_superuser("root")
    somebody = User.objects.create_user("somebody", is_staff=letter != "-")
    somebody.groups.set(Group.objects.filter(name=GROUPS.get(letter, ADMIN if letter == "-" else "none")))
    return somebody


def address(route: str, rows) -> str:
    """A route with rows that are there in its places."""
    if match := re.match(r"(inference|auth)/(\w+)/", route):
        row = rows.get(f"{match[1]}.{match[2]}")
        route = route.replace("<path:object_id>", str(row.pk)).replace("<id>", str(row.pk))
        route = route.replace("on/<str:kind>/<str:pk>", f"on/endpoint/{rows['inference.endpoint'].pk}")
        route = route.replace("<int:pk>", str(row.pk))
    for room, row, action in (("jobs/", "job", "pause"), ("trainings/", "run", "reject")):
        if route.startswith(room):
            route = route.replace("<uuid:id>", str(rows[row].pk)).replace("<str:action>", action)
    if route.startswith("schedules/"):
        route = route.replace("<str:name>", "nightly").replace("<str:action>", "disable")
    places = {
        "<str:format>": "csv",
        "<str:slug>": "flow",
        "<str:endpoint>": "flow",
        "<str:tag>": "line-1.0.0",
        "<str:name>": "pump-1",
        "<uuid:id>": str(rows["inference.prediction"].pk),
        "<str:id>": str(rows["inference.prediction"].pk),
        "<uidb64>/<token>": "MQ/set-password",
        "<path:content_type_id>/<path:object_id>": "1/1",
        "^(?P<app_label>inference|auth)/$": "inference/",
        "(?P<url>.*)$": "nowhere/",
    }
    for place, value in places.items():
        route = route.replace(place, value)
    if route == "autocomplete/":
        route += "?app_label=inference&model_name=device&field_name=owner"
    return f"/{route}"
