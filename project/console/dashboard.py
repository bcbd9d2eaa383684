"""The first page after login: predictions as they arrive.

The page asks for itself again every two seconds and puts the new picture in place of the old one.
"""

import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from inference.admin.pages import answer
from inference.models import Prediction
from inference.selectors import RECENT_S, endpoint_activity, prediction_since

SHOWN = 20
WINDOW = datetime.timedelta(hours=1)
HEADERS = ["Time (UTC)", "Endpoint", "Device", "Version", "Answer"]


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the live picture to the page's context, for whoever may see predictions."""
    context["base"] = "console/fragment.html" if request.headers.get("HX-Request") else "admin/base.html"
    context["title"] = "Live"
    context["may_see"] = request.user.has_perm("inference.view_prediction")
    if context["may_see"]:
        context["window_s"] = RECENT_S
        context["activity"] = endpoint_activity()
        latest = prediction_since(moment=timezone.now() - WINDOW)
        # Manifests and signatures are long, and twenty rows need none of them.
        latest = latest.defer("version__manifest", "endpoint__signature")[:SHOWN]
        context["latest"] = {"headers": HEADERS, "rows": [_row(prediction) for prediction in latest]}
    return context


def _row(prediction: Prediction) -> list[Any]:
    page = reverse("admin:inference_prediction_change", args=[prediction.pk])
    time = f"{prediction.predicted_at:%H:%M:%S.%f}"[:-3]
    return [
        format_html('<a class="text-primary-600" href="{}">{}</a>', page, time),
        prediction.endpoint.slug,
        prediction.device.name if prediction.device else "-",
        prediction.version.tag,
        answer(prediction),
    ]
