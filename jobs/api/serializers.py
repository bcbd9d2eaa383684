"""The shapes of requests and answers about batch jobs, for the OpenAPI document. The live path does without them."""

from rest_framework import serializers

from inference.api.serializers import OutputField, TimeField
from jobs.models import BatchJob
from jobs.replay.query import MOST_ROWS


class SelectionSerializer(serializers.Serializer):
    """Which stored predictions a query job asks again."""

    since = TimeField(help_text="From then on: RFC 3339 with a zone, or Unix seconds.")
    until = TimeField(required=False, help_text="Before then; now, if it is left out.")
    version = serializers.CharField(required=False, help_text="Only what the version of this tag answered.")
    device = serializers.CharField(required=False, help_text="Only what this device sent; an unknown one sent nothing.")
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MOST_ROWS, help_text="The latest so many.")


class QueryJobSerializer(serializers.Serializer):
    """A job over stored predictions: what would this version have said?"""

    endpoint = serializers.CharField()
    version = serializers.CharField(required=False, help_text="The tag of the version to ask; else the champion.")
    query = SelectionSerializer()


class ReasonlessSerializer(serializers.Serializer):
    """Nothing: an empty object, or no body at all."""


class JobFileSerializer(serializers.Serializer):
    """An uploaded file."""

    name = serializers.CharField(allow_blank=True, help_text="As its sender said in `name`.")
    bytes = serializers.IntegerField()
    sha256 = serializers.CharField()


class ProgressSerializer(serializers.Serializer):
    """How far a job is. Nothing is counted twice: the counts are of finished chunks."""

    rows = serializers.IntegerField(allow_null=True, help_text="Of the input; null until it was read.")
    done = serializers.IntegerField(help_text="Rows that ended, as ok or as an error.")
    ok = serializers.IntegerField()
    errors = serializers.DictField(child=serializers.IntegerField(), help_text="Rows that ended so, by code.")
    rows_per_s = serializers.FloatField(
        allow_null=True,
        help_text="Of late while it runs, on the whole when it is over, since it was last resumed or tried again.",
    )
    eta_s = serializers.FloatField(allow_null=True, help_text="Seconds left at that rate, where that can be said.")
    chunks = serializers.IntegerField()
    poison = serializers.IntegerField(help_text="Chunks that were set aside because they ended their worker.")


class JobSerializer(serializers.Serializer):
    """A batch job in short."""

    id = serializers.UUIDField()
    endpoint = serializers.CharField()
    version = serializers.CharField(help_text="The tag of the version that answers; fixed when the job was asked for.")
    kind = serializers.ChoiceField(choices=BatchJob.Kind.choices)
    format = serializers.ChoiceField(choices=BatchJob.Format.values)
    state = serializers.ChoiceField(choices=BatchJob.State.choices)
    code = serializers.CharField(allow_null=True, help_text="Why it failed, or waits.")
    detail = serializers.CharField(allow_null=True)
    file = JobFileSerializer(allow_null=True)
    query = serializers.DictField(child=serializers.JSONField(), allow_null=True, help_text="Of a query job.")
    carry = serializers.ListField(child=serializers.CharField())
    rows = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    schedule = serializers.CharField(allow_null=True, help_text="The schedule it comes from, if from one.")
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    expired_at = serializers.DateTimeField(allow_null=True, help_text="From then on its input and results are gone.")


class JobProgressSerializer(JobSerializer):
    """A batch job and how far it is."""

    progress = ProgressSerializer()


class JobsSerializer(serializers.Serializer):
    """A page of batch jobs."""

    jobs = JobSerializer(many=True)
    next = serializers.UUIDField(allow_null=True, help_text="For `before`, where there are more.")


class ResultSerializer(serializers.Serializer):
    """What one row came to."""

    row = serializers.IntegerField(help_text="1, 2, … in the input's order.")
    status = serializers.ChoiceField(choices=["ok", "error"])
    output = OutputField(allow_null=True)
    error = serializers.CharField(allow_null=True, help_text="The code, where there is no output.")
    detail = serializers.CharField(allow_null=True)


class ResultsSerializer(serializers.Serializer):
    """A page of results."""

    results = ResultSerializer(many=True)
    next = serializers.IntegerField(allow_null=True, help_text="For `after`, where there may be more.")


class ReportSerializer(serializers.Serializer):
    """How a version differs from what was answered then."""

    id = serializers.UUIDField()
    report = serializers.DictField(child=serializers.JSONField())
