"""Feedback, to read. It is given over REST and the stream, and never changed."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import FieldTextFilter, RelatedDropdownFilter
from unfold.decorators import display

from inference.admin.pages import ShownAdmin
from inference.admin.records import InfinitePaginator
from inference.errors import NotFound
from inference.models import Feedback
from inference.truth import prediction_of


@admin.register(Feedback)
class FeedbackAdmin(ShownAdmin):
    """What was told, the newest first."""

    nothing_yet = (
        "Nobody has said yet what was true. It comes over REST or the stream with a prediction's id, "
        "or is said at a prediction's page."
    )
    list_display = ["received", "endpoint", "said", "source", "revision", "about"]
    list_display_links = ["received"]
    list_filter = [("endpoint", RelatedDropdownFilter), ("source", FieldTextFilter)]
    list_filter_submit = True
    list_per_page = 50
    sortable_by = ()
    search_fields = ["prediction__id"]
    search_help_text = "A prediction's id"
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = ["received", "endpoint", "about", "said", "source", "revision", "device_time", "credential"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feedback]:
        """Feedback with its endpoint. The prediction may be gone, and is not read."""
        return super().get_queryset(request).select_related("endpoint").defer("endpoint__signature")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Feedback], search_term: str
    ) -> tuple[QuerySet[Feedback], bool]:
        """The feedback on the prediction of that id, and nothing for what is no id."""
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(prediction=prediction_of(search_term.strip())), False
        except NotFound:
            return queryset.none(), False

    @display(description="Received at (UTC)")
    def received(self, feedback: Feedback) -> str:
        """When it came, to the second."""
        return f"{feedback.received_at:%Y-%m-%d %H:%M:%S}"

    @display(description="What was true")
    def said(self, feedback: Feedback) -> str:
        """The label or the value."""
        return feedback.value if isinstance(feedback.value, str) else f"{feedback.value:.7g}"

    @display(description="Prediction")
    def about(self, feedback: Feedback) -> SafeString:
        """The prediction it is about, as a link."""
        link = reverse("admin:inference_prediction_change", args=[feedback.prediction_id])
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', link, feedback.prediction_id
        )
