"""The shapes of requests and answers about training runs and schedules, for the OpenAPI document."""

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from inference.api.serializers import TimeField
from jobs.models import TrainingRun
from jobs.replay.query import MOST_ROWS


class RunStartSerializer(serializers.Serializer):
    """A retraining that is asked for."""

    endpoint = serializers.CharField()
    algorithm = serializers.CharField(help_text="One of the endpoint's.")
    reason = serializers.CharField(max_length=1000)
    feedback_since = TimeField(required=False, help_text="Feedback received from then on is learnt from; else all.")
    repeat = serializers.CharField(
        required=False, help_text="The id of a run whose frozen data is learnt from again; not beside `feedback_since`."
    )


class ReasonSerializer(serializers.Serializer):
    """Why it is decided so."""

    reason = serializers.CharField(max_length=1000)


class ApprovalSerializer(ReasonSerializer):
    """Why a version goes live, and in place of which."""

    replacing = serializers.CharField(
        required=False, help_text="The tag of the champion you have seen; else the one it was compared with."
    )


class CancelSerializer(serializers.Serializer):
    """Why it is cancelled, if that is to be said."""

    reason = serializers.CharField(max_length=1000, required=False)


class RunSerializer(serializers.Serializer):
    """A training run in short."""

    id = serializers.UUIDField()
    endpoint = serializers.CharField()
    algorithm = serializers.CharField()
    policy = serializers.ChoiceField(
        choices=TrainingRun.Policy.values, help_text="What happens to a version that passes the gate."
    )
    state = serializers.ChoiceField(choices=TrainingRun.State.choices)
    step = serializers.ChoiceField(choices=TrainingRun.Step.values)
    reason = serializers.CharField(allow_blank=True)
    feedback_since = serializers.DateTimeField(allow_null=True)
    champion = serializers.CharField(allow_null=True, help_text="The tag of the version it was compared with.")
    candidate = serializers.CharField(allow_null=True, help_text="The tag of the version it made, once published.")
    code = serializers.CharField(allow_null=True, help_text="Why it failed.")
    detail = serializers.CharField(allow_null=True)
    decided_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    schedule = serializers.CharField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class RunToldSerializer(RunSerializer):
    """A training run with its data, what the gate said, and what was measured."""

    data = serializers.DictField(child=serializers.JSONField(), help_text="The frozen rows: digest, how many of which.")
    gate = serializers.DictField(child=serializers.JSONField(), help_text="Each rule and what was found.")
    report = serializers.DictField(child=serializers.JSONField(), help_text="Candidate and champion on the same rows.")


class RunsSerializer(serializers.Serializer):
    """A page of training runs."""

    runs = RunSerializer(many=True)
    next = serializers.UUIDField(allow_null=True, help_text="For `before`, where there are more.")


class LineSerializer(serializers.Serializer):
    """One line of a log."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    text = serializers.CharField(allow_blank=True)


class LogSerializer(serializers.Serializer):
    """Lines of a run's log."""

    lines = LineSerializer(many=True)
    next = serializers.IntegerField(help_text="For `after`: ask again with it as long as the run is not over.")
    over = serializers.BooleanField()


class RetrainingPlanSerializer(serializers.Serializer):
    """A retraining each time."""

    kind = serializers.ChoiceField(choices=["retraining"])
    algorithm = serializers.CharField()
    feedback_hours = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, help_text="How far back feedback is learnt from; else all."
    )
    reason = serializers.CharField(required=False, allow_blank=True)


class BatchPlanSerializer(serializers.Serializer):
    """A query over stored predictions each time, with its replay report."""

    kind = serializers.ChoiceField(choices=["batch"])
    hours = serializers.IntegerField(min_value=1, help_text="How far back, from when it is due.")
    version = serializers.CharField(required=False, allow_null=True, help_text="Who answers; else the champion.")
    device = serializers.CharField(required=False, allow_null=True)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MOST_ROWS)


@extend_schema_field(
    PolymorphicProxySerializer(
        component_name="Plan",
        serializers=[RetrainingPlanSerializer, BatchPlanSerializer],
        resource_type_field_name=None,
    )
)
class PlanField(serializers.JSONField):
    """What a schedule starts."""


class ScheduleMakeSerializer(serializers.Serializer):
    """A new schedule."""

    name = serializers.CharField(max_length=64)
    endpoint = serializers.CharField()
    plan = PlanField()
    crontab = serializers.CharField(help_text="Minute, hour, day of the month, month, day of the week.")
    zone = serializers.CharField(required=False, help_text="An IANA name, as Europe/Berlin; UTC if it is left out.")
    enabled = serializers.BooleanField(required=False)


class ScheduleChangeSerializer(serializers.Serializer):
    """What is to change; the rest stays."""

    plan = PlanField(required=False)
    crontab = serializers.CharField(required=False)
    zone = serializers.CharField(required=False)
    enabled = serializers.BooleanField(required=False)


class LatestSerializer(serializers.Serializer):
    """The latest slot that was seen to."""

    slot = serializers.CharField(help_text="Local time and zone.")
    due_at = serializers.DateTimeField()
    started = serializers.UUIDField(allow_null=True, help_text="The batch job or the training run.")
    code = serializers.CharField(allow_null=True, help_text="Why nothing was started.")
    detail = serializers.CharField(allow_null=True)


class ScheduleSerializer(serializers.Serializer):
    """A schedule."""

    name = serializers.CharField()
    endpoint = serializers.CharField()
    plan = PlanField()
    crontab = serializers.CharField()
    zone = serializers.CharField()
    enabled = serializers.BooleanField()
    next_at = serializers.DateTimeField(allow_null=True)
    latest = LatestSerializer(allow_null=True)
    created_by = serializers.CharField()
    since = serializers.DateTimeField(help_text="When its times began to count: nothing earlier is made up for.")


class SchedulesSerializer(serializers.Serializer):
    """The schedules of the credential's endpoints."""

    schedules = ScheduleSerializer(many=True)
