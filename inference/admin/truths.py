"""What was true of a prediction: what has been told, and the form to tell it."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from inference.admin.pages import answer, number_in
from inference.admin.views import PageView
from inference.engine.errors import InvalidInput
from inference.models import Prediction
from inference.permissions import ADD_FEEDBACK
from inference.selectors import feedback_of, prediction_get
from inference.services import feedback_give


class TruthView(PageView):
    """Takes what a person says was true of a prediction, as their next revision."""

    needs = {"GET": ADD_FEEDBACK, "POST": ADD_FEEDBACK}

    def get(self, request: HttpRequest, id: uuid.UUID) -> HttpResponse:
        """Show the form by itself."""
        return self._form(prediction_get(id=str(id)))

    def post(self, request: HttpRequest, id: uuid.UUID) -> HttpResponse:
        """Store it and go back to the prediction, or show the form again with what is wrong."""
        prediction = prediction_get(id=str(id))
        text = request.POST.get("value", "").strip()
        value = number_in(text) if _output(prediction)["kind"] == "regression" else text
        try:
            told = feedback_give(prediction=prediction, value=value, user=request.user)
        except InvalidInput as refusal:
            return self._form(prediction, said=text, problem=str(refusal.problems[0].detail), status=422)
        if told.duplicate:
            messages.info(request, "You said so before. Nothing was added.")
        else:
            messages.success(request, f"Kept, as revision {told.revision} of what you say about it.")
        return HttpResponseRedirect(reverse("admin:inference_prediction_change", args=[prediction.pk]))

    def _form(self, prediction: Prediction, *, status: int = 200, **said: str) -> HttpResponse:
        return self.page(
            "console/truth.html",
            title="What was true?",
            status=status,
            prediction=prediction,
            answered=answer(prediction),
            **truths(self.request, prediction, **said),
        )


def truths(request: HttpRequest, prediction: Prediction, *, said: str = "", problem: str = "") -> dict[str, Any]:
    """What `console/truths.html` needs: what was told, for who may see it, and the form, for who may tell.

    Args:
        said: what stands in the form.
        problem: why that could not be kept.
    """
    told = feedback_of(prediction=prediction) if request.user.has_perm("inference.view_feedback") else []
    newest = {row.source: row.pk for row in told}
    output = _output(prediction)
    return {
        "told": [(row, row.pk == newest[row.source]) for row in told],
        "truth_address": reverse("console:truth", args=[prediction.pk]) if request.user.has_perm(ADD_FEEDBACK) else "",
        "truth_labels": ("normal", "anomaly") if output["kind"] == "anomaly" else output.get("labels"),
        "truth_unit": output.get("unit"),
        "truth_said": said,
        "truth_problem": problem,
    }


def _output(prediction: Prediction) -> dict[str, Any]:
    """What the version that answered can answer."""
    output: dict[str, Any] = prediction.version.manifest["signature"]["output"]
    return output
