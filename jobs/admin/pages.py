"""What the pages of jobs share."""

import uuid
from typing import Any

from django.http import HttpRequest
from django.template.response import TemplateResponse

from inference.admin.views import PageView
from inference.errors import NotFound
from inference.models import Endpoint
from inference.permissions import may_act_on
from inference.selectors import device_get
from jobs.models import BatchJob, TrainingRun

SOCKET = "/ws/v1/jobs"
SURE = "sure"
SEE_DEVICES = "inference.view_device"
ELSES = "This endpoint belongs to somebody else. Ask its owner."


class JobsPage(PageView):
    """A page of jobs."""

    def show(
        self, template: str, *, title: str, socket: str = "", status: int = 200, **context: Any
    ) -> TemplateResponse:
        """A page that follows what happens over a socket, if it names one: the query of its address."""
        address = f"{SOCKET}?{socket}" if socket else ""
        return self.page(f"jobs/{template}", title=title, status=status, socket=address, **context)

    def asked_first(self, question: str, *, title: str, back: str) -> TemplateResponse | None:
        """The page that asks whether somebody is sure, with all they sent; None once they are.

        The pages' script asks by itself, which is sooner; this is for whoever is faster than the script, or has none.
        """
        if not question or self.request.POST.get(SURE):
            return None
        sent = [(name, value) for name, value in self.request.POST.items() if name != "csrfmiddlewaretoken"]
        return self.show("confirm.html", title=title, question=question, back=back, sent=sent)


def given(request: HttpRequest, name: str) -> str:
    """What a form's field holds, without blanks around it and without NUL, which Postgres can't store."""
    return request.POST.get(name, "").replace("\x00", "").strip()


def device_of(request: HttpRequest) -> str | None:
    """The name of the device that a form names, if it does.

    Raises:
        NotFound: there is none of that name; told only to who may look at devices.
    """
    name = given(request, "device")
    if name and request.user.has_perm(SEE_DEVICES):
        device_get(name=name)
    return name or None


def job_get(id: uuid.UUID) -> BatchJob:
    """The batch job of that id, without the long fields of what it refers to.

    Raises:
        NotFound: there is none.
    """
    jobs = BatchJob.objects.select_related("endpoint", "version")
    job = jobs.defer("endpoint__signature", "version__manifest").filter(pk=id).first()
    if job is None:
        raise NotFound(f"Batch job {id}")
    return job


def run_get(id: uuid.UUID) -> TrainingRun:
    """The training run of that id.

    Raises:
        NotFound: there is none.
    """
    related = TrainingRun.objects.select_related("endpoint", "champion", "candidate", "deployment")
    run = related.defer("endpoint__signature", "champion__manifest", "candidate__manifest").filter(pk=id).first()
    if run is None:
        raise NotFound(f"Training run {id}")
    return run


def may_run(request: HttpRequest, permission: str, endpoint: Endpoint) -> bool:
    """Whether who asks may do this with work of an endpoint."""
    return request.user.has_perm(permission) and may_act_on(request.user, endpoint)
