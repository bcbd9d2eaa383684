"""A stored prediction, computed again at a click."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from inference import artifacts
from inference.admin.pages import said
from inference.admin.views import PageView
from inference.engine.errors import ForetellError
from inference.selectors import prediction_get
from inference.services import prediction_recompute

_LEVELS = {"bit-equal": messages.SUCCESS, "equal within tolerance": messages.SUCCESS, "different": messages.ERROR}


class RecomputeView(PageView):
    """Asks the version that gave a prediction again, from its files, and tells whether the answer holds."""

    needs = {"POST": "inference.view_prediction"}

    def post(self, request: HttpRequest, id: uuid.UUID) -> HttpResponse:
        """Compute it, and go back to the prediction's page with the verdict."""
        stored = prediction_get(id=str(id))
        if stored.output is None:
            messages.warning(
                request, f"It has no output: it failed with `{stored.error}`. There is nothing to compare."
            )
        else:
            try:
                again = prediction_recompute(prediction=stored, in_store=artifacts.store())
            except ForetellError as error:
                messages.error(request, f"It could not be computed again. {error}")
            else:
                verdict = f"{again.verdict.capitalize()}: {stored.version.tag} says {said(again.output)} now"
                stood = "" if again.verdict == "bit-equal" else f", and {said(stored.output)} is stored"
                messages.add_message(request, _LEVELS[again.verdict], f"{verdict}{stood}.")
        return HttpResponseRedirect(reverse("admin:inference_prediction_change", args=[stored.pk]))
