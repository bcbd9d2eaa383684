"""A small file that an endpoint takes, to begin with."""

import csv
import io
from typing import Any

from django.http import HttpRequest, HttpResponse

from inference.engine.example import example
from inference.errors import UnknownEndpoint
from inference.models import Endpoint, Role
from inference.permissions import SEE_BATCHES
from inference.selectors import endpoint_get
from jobs.admin.pages import JobsPage


class ExampleView(JobsPage):
    """A small file that an endpoint takes, to begin with."""

    needs = {"GET": SEE_BATCHES}

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Send it."""
        endpoint = endpoint_get(slug=slug)
        return HttpResponse(
            _example(endpoint),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{slug}.csv"'},
        )


def _example(endpoint: Endpoint) -> str:
    """A header and a usual reading.

    Raises:
        UnknownEndpoint: nothing of it is live.
    """
    live = endpoint.deployments.filter(role=Role.CHAMPION, ended_at=None).select_related("version").first()
    if live is None:
        raise UnknownEndpoint(endpoint.slug)
    manifest: dict[str, Any] = live.version.manifest
    reading = example(manifest["signature"], manifest.get("reference", {}))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([reading.keys(), reading.values()])
    return text.getvalue()
