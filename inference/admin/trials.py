"""Try it: a form made from a signature, answered by the very path that devices and programs use."""

import datetime
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from inference import ids
from inference.admin.endpoints import EndpointView
from inference.admin.pages import number_in, said
from inference.callers import Caller
from inference.engine.card import accepted
from inference.engine.errors import ForetellError, InvalidInput, ModelUnavailable
from inference.engine.example import example
from inference.engine.inputs import Input
from inference.engine.instances import Instance
from inference.engine.signature import Signature
from inference.errors import UnknownVersion
from inference.models import Scope, Source, Version
from inference.permissions import TRY, may_act_on
from inference.predictor import Answer, Predictor
from inference.selectors import version_get, version_list
from inference.services import credential_create

CREDENTIAL_MINUTES = 15
PREFIX = "feature."
"""Before an input's name in the form, so that no input can pass for one of the form's own fields."""
_MAX_SUBJECT = 64


@dataclass(frozen=True, slots=True)
class Field:
    """One input as the form shows it: its value as text, and what was wrong with it."""

    input: Input
    value: str
    problem: str

    @property
    def name(self) -> str:
        """Its name in the form."""
        return PREFIX + self.input.name

    @property
    def hint(self) -> str:
        """What it takes."""
        unit = self.input.unit
        return accepted(self.input.to_dict()) + (f" {unit}" if unit not in (None, "1") else "")


class TryView(EndpointView):
    """Asks an endpoint from a form."""

    tab = "Try it"
    needs = {"GET": TRY, "POST": TRY}

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form with a reading that the endpoint takes."""
        version = self._version()
        if version is None:
            return self.show("try_nothing.html")
        features = example(version.manifest["signature"], version.manifest["reference"])
        return self._form(version, {name: str(value) for name, value in features.items()})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Ask, and show the answer above the form."""
        version = self._version()
        if version is None:
            return self.show("try_nothing.html", status=503)
        values = {name.removeprefix(PREFIX): text for name, text in request.POST.items() if name.startswith(PREFIX)}
        predictor: Predictor | None = getattr(request, "scope", {}).get("foretell.predictor")
        try:
            if predictor is None:
                raise ModelUnavailable("This process", "it shows pages only")
            began_s = time.perf_counter()
            # Pages run in a thread of their own. The predictor belongs to the event loop, so the question goes there.
            answer = async_to_sync(_ask)(predictor, self.endpoint.slug, version.tag, values, _subject(request))
            took_ms = (time.perf_counter() - began_s) * 1000
        except InvalidInput as refusal:
            problems = {problem.field or "": problem.detail for problem in refusal.problems}
            return self._form(version, values, problems, status=422)
        except ForetellError as error:
            return self._form(version, values, error=error, status=503)
        return self._form(version, values, answer=answer, took_ms=took_ms)

    def _version(self) -> Version | None:
        """The version that was chosen, or else the live one.

        Raises:
            UnknownVersion: there is none of the chosen tag.
        """
        champion = self.find()
        if self.endpoint.retired_at is not None:
            return None
        tag = self.request.GET.get("version") or (champion.version.tag if champion else None)
        return version_get(endpoint=self.endpoint, tag=tag) if tag else None

    def _form(
        self,
        version: Version,
        values: Mapping[str, str],
        problems: Mapping[str, str] | None = None,
        *,
        error: ForetellError | None = None,
        answer: Answer | None = None,
        took_ms: float = 0.0,
        status: int = 200,
    ) -> TemplateResponse:
        problems = problems or {}
        signature = Signature.from_dict(version.manifest["signature"])
        output = json.loads(answer.output_json) if answer and answer.output_json else None
        request = self.request
        return self.show(
            "try.html",
            status=status,
            version=version,
            versions=[one.tag for one in version_list(endpoint=self.endpoint)],
            fields=[Field(one, values.get(one.name, ""), problems.get(one.name, "")) for one in signature.inputs],
            problems=problems,
            error=error or (answer.error if answer else None),
            answer=answer,
            shown=said(output) if output else None,
            output=output,
            took_ms=took_ms,
            stream=_stream(request, self.slug),
            message=json.dumps({"features": example(version.manifest["signature"], version.manifest["reference"])}),
            may_add_credential=_may_add_credential(request, self),
            minutes=CREDENTIAL_MINUTES,
        )


class CredentialView(EndpointView):
    """Makes a credential for the raw console: this endpoint only, to predict only, and soon over."""

    needs = {"POST": "inference.add_credential"}

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make it, and tell it to the page that asked."""
        self.find()
        if not may_act_on(request.user, self.endpoint):
            return JsonResponse({"detail": "This endpoint belongs to somebody else. Ask its owner."}, status=403)
        expires_at = timezone.now() + datetime.timedelta(minutes=CREDENTIAL_MINUTES)
        issued = credential_create(
            actor=request.user.get_username(),
            service=f"console of {request.user.get_username()}"[:64],
            scopes=[Scope.PREDICT],
            endpoints=[self.endpoint],
            expires_at=expires_at,
            created_by=request.user,
        )
        return JsonResponse({"token": issued.token, "expires_at": expires_at.isoformat()})


async def _ask(predictor: Predictor, slug: str, tag: str, values: Mapping[str, str], subject: str) -> Answer:
    """Ask a version on the event loop that serves, and wait until the answer is stored as the endpoint wants it.

    Raises:
        InvalidInput: the form's values can't be used.
        ForetellError: the endpoint can't answer now.
    """
    catalog = predictor.catalog
    if catalog.stale:
        raise ModelUnavailable("This server", "it can't see which versions are live")
    endpoint = catalog.endpoint(slug)
    try:
        version = await catalog.version(endpoint, tag)
    except UnknownVersion:
        raise ModelUnavailable(f"{slug}/{tag}", "this process has not heard of it yet") from None
    signature = version.signature
    row = signature.row(features(signature, values))
    person = Caller(None, None, None, "", frozenset({"predict"}), None, None)
    [answer] = await predictor.predict(
        endpoint=endpoint,
        version=version,
        instances=[Instance(row, subject=subject, warnings=signature.warnings(row))],
        caller=person,
        source=Source.CONSOLE,
        request_id=ids.prediction_id(),
    )
    return answer


def features(signature: Signature, values: Mapping[str, str]) -> dict[str, Any]:
    """What a form's texts say, as plain values for `Signature.row`, which refuses what is wrong with them."""
    said = {}
    for one in signature.inputs:
        text = values.get(one.name, "")
        if one.dtype == "string":
            given = text or (None if one.nullable else text)
            if text or not one.pinned or one.nullable:
                said[one.name] = given
        elif text.strip():
            said[one.name] = number_in(text.strip())
        elif one.nullable:
            said[one.name] = None
    return said


def _subject(request: HttpRequest) -> str:
    """Who asks, as the record tells it."""
    name = f"user {request.user.get_username()}"
    return name if len(name) <= _MAX_SUBJECT else f"user #{request.user.pk}"


def _stream(request: HttpRequest, slug: str) -> str:
    """The address of the endpoint's stream, as this browser reaches it."""
    return f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}/ws/v1/endpoints/{slug}/stream"


def _may_add_credential(request: HttpRequest, view: EndpointView) -> str:
    """Where the page may have a credential made, "" if it may not."""
    if not (request.user.has_perm("inference.add_credential") and may_act_on(request.user, view.endpoint)):
        return ""
    return reverse("console:try_credential", args=[view.endpoint.slug])
