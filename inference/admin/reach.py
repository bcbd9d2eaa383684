"""How far a list of predictions searches for what no index finds, such as a label."""

import datetime

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from inference import ids
from inference.models import Prediction

REACH = 100_000
"""Predictions that one page looks through. A label that none of them has would else be sought in all there are."""
INDEXED = frozenset({"since_hours", "from", "until", "endpoint__id__exact", "device__id__exact"})
"""What indexes answer, by its name in the address."""


class PredictionList(ChangeList):
    """A page of predictions. `reached_at` says how far back it searched, when that is not as far as was asked for."""

    reached_at: datetime.datetime | None = None

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Prediction]:
        """What was asked for, of the newest `REACH` predictions that the indexed filters leave."""
        found = super().get_queryset(request, exclude_parameters)
        searched = {name for name, values in self.get_filters_params().items() if any(values)} - INDEXED
        if not searched or self.query:
            return found
        candidates = self.root_queryset
        for spec in self.filter_specs:
            if searched.isdisjoint(spec.expected_parameters()):
                candidates = spec.queryset(request, candidates)
        first_left_out = list(candidates.order_by("-pk").values_list("pk", flat=True)[REACH : REACH + 1])
        if not first_left_out:
            return found
        self.reached_at = ids.time_of(first_left_out[0])
        return found.filter(pk__gt=first_left_out[0])

    @property
    def reach(self) -> str:
        """How many predictions were looked through."""
        return f"{REACH:,}"

    @property
    def further_back(self) -> str:
        """The address of the same search among older predictions."""
        # The last ones of that millisecond may be seen twice; none is left out.
        until = self.reached_at + datetime.timedelta(milliseconds=1)
        return self.get_query_string({"until": f"{until:%Y-%m-%dT%H:%M:%S.%f}"[:-3]}, ["p"])
