"""What stands in the console's sidebar, for whom."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

from inference.permissions import SEE_BATCHES, SEE_TRAININGS

GROUPS: list[tuple[str, list[tuple[str, str, str]]]] = [
    (
        "Records",
        [
            ("Predictions", "insights", "prediction"),
            ("Feedback", "fact_check", "feedback"),
            ("Rejections", "block", "rejection"),
            ("Notes", "sticky_note_2", "note"),
        ],
    ),
    (
        "Registry",
        [
            ("Endpoints", "hub", "endpoint"),
            ("Versions", "deployed_code", "version"),
            ("Deployments", "history", "deployment"),
        ],
    ),
    ("Access", [("Devices", "sensors", "device"), ("Credentials", "key", "credential")]),
]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of links; each is shown to those who may open it."""
    live = {"title": "Live", "icon": "monitoring", "link": reverse_lazy("admin:index")}
    groups = [
        {"title": title, "separator": True, "items": [_page("inference", *item) for item in items]}
        for title, items in GROUPS
    ]
    jobs = [
        _jobs("Batch jobs", "table_rows", "batches", SEE_BATCHES),
        _jobs("Training", "model_training", "trainings", SEE_TRAININGS),
        _jobs("Schedules", "schedule", "schedules", SEE_BATCHES),
    ]
    people = [
        _page("auth", "Users", "person", "user"),
        _page("auth", "Groups", "group", "group"),
        _page("inference", "Control log", "policy", "controllog"),
    ]
    work = {"title": "Jobs", "separator": True, "items": jobs}
    return [{"items": [live]}, work, *groups, {"title": "People", "separator": True, "items": people}]


def favicon(request: HttpRequest) -> str:
    """Where the browser finds the console's sign."""
    return static("project/favicon.svg")


def _page(app: str, title: str, icon: str, model: str) -> dict[str, Any]:
    # The console's own pages of endpoints and devices stand beside Django's.
    paths = (f"/{app}/{model}/", f"/{model}s/")
    return {
        "title": title,
        "icon": icon,
        "active": lambda request: request.path.startswith(paths),
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": _may_view(f"{app}.view_{model}"),
    }


def _jobs(title: str, icon: str, name: str, permission: str) -> dict[str, Any]:
    link = reverse_lazy(f"jobs:{name}")
    return {
        "title": title,
        "icon": icon,
        "active": lambda request: request.path.startswith(str(link)),
        "link": link,
        "permission": _may_view(permission),
    }


def _may_view(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)
