"""The shapes of requests and answers, for the OpenAPI document. The live path reads and writes without them."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from inference.api.instances import MAX_INSTANCES
from inference.feedback import MAX_ITEMS
from inference.models import AuditPolicy

FEATURES = {
    "oneOf": [
        {"type": "object", "additionalProperties": {}, "description": "Values by input name."},
        {"type": "array", "items": {}, "description": "Values in the order of the signature."},
    ]
}
OUTPUT = {
    "oneOf": [
        {
            "type": "object",
            "title": "Classification",
            "properties": {
                "label": {"type": "string"},
                "scores": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}},
            },
            "required": ["label", "scores"],
        },
        {
            "type": "object",
            "title": "Regression",
            "properties": {"value": {"type": "number"}},
            "required": ["value"],
        },
        {
            "type": "object",
            "title": "Anomaly",
            "properties": {"score": {"type": "number"}, "label": {"enum": ["anomaly", "normal"]}},
            "required": ["score", "label"],
        },
    ]
}
SIGNATURE = {
    "type": "object",
    "description": "What the endpoint asks, in order, and the kind of its answer.",
    "properties": {
        "inputs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "dtype": {"enum": ["float", "int", "int64", "string"]},
                    "unit": {"type": "string"},
                    "min": {"type": "number"},
                    "max": {"type": "number"},
                    "categories": {"type": "array", "items": {"type": "string"}},
                    "nullable": {"type": "boolean", "default": False},
                    "description": {"type": "string"},
                    "out_of_range": {"enum": ["refuse", "warn"], "default": "refuse"},
                    "unknown": {"enum": ["refuse", "pass"], "default": "refuse"},
                },
                "required": ["name", "dtype"],
            },
        },
        "output": {
            "type": "object",
            "properties": {
                "kind": {"enum": ["classification", "regression", "anomaly"]},
                "labels": {"type": "array", "items": {"type": "string"}},
                "unit": {"type": "string"},
            },
            "required": ["kind"],
        },
        "digest": {"type": "string"},
    },
    "required": ["inputs", "output"],
}


@extend_schema_field(FEATURES)
class FeaturesField(serializers.JSONField):
    """One instance, by name or in order."""


@extend_schema_field(OUTPUT)
class OutputField(serializers.JSONField):
    """What the model says: classification, regression or anomaly."""


@extend_schema_field(SIGNATURE)
class SignatureField(serializers.JSONField):
    """A signature."""


@extend_schema_field({"type": "object", "additionalProperties": {}})
class JsonSchemaField(serializers.JSONField):
    """A JSON Schema."""


class OneInstanceSerializer(serializers.Serializer):
    """A predict request for one instance."""

    features = FeaturesField()


class InstancesSerializer(serializers.Serializer):
    """A predict request for several instances."""

    instances = serializers.ListField(child=FeaturesField(), min_length=1, max_length=MAX_INSTANCES)


class AnswerSerializer(serializers.Serializer):
    """The prediction of one instance."""

    id = serializers.UUIDField(help_text="Its name in `/api/v1/predictions/{id}`. UUIDv7: it holds the time.")
    output = OutputField()
    version = serializers.CharField(help_text="The tag of the version that answered.")
    stored = serializers.BooleanField(help_text="True: its row is committed. False: the audit policy does not wait.")
    warnings = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="`out_of_range:<input>` under a lenient policy."
    )


class PredictAnswerSerializer(serializers.Serializer):
    """One prediction for each instance, in their order."""

    predictions = AnswerSerializer(many=True)
    request_id = serializers.UUIDField()


class EndpointSerializer(serializers.Serializer):
    """An endpoint in short."""

    endpoint = serializers.CharField(help_text="Its slug, as in addresses.")
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    audit = serializers.ChoiceField(choices=AuditPolicy.choices)
    champion = serializers.CharField(allow_null=True, help_text="The tag of the version that answers; null: none can.")
    reason = serializers.CharField(allow_null=True, help_text="Why the deployed version does not answer, if so.")


class EndpointsSerializer(serializers.Serializer):
    """The endpoints that the credential may use."""

    endpoints = EndpointSerializer(many=True)


class VersionSerializer(serializers.Serializer):
    """One version of an endpoint."""

    tag = serializers.CharField(help_text="For `?version=`.")
    digest = serializers.CharField(help_text="sha256 of its manifest.")
    origin = serializers.ChoiceField(choices=["git", "retraining"])
    created_at = serializers.DateTimeField()


class EndpointDetailSerializer(EndpointSerializer):
    """An endpoint with its signature and versions."""

    signature = SignatureField()
    features_schema = JsonSchemaField(help_text="A JSON Schema (2020-12) of `features` by name.")
    versions = VersionSerializer(many=True)


class PredictionSerializer(serializers.Serializer):
    """A stored prediction."""

    id = serializers.UUIDField()
    endpoint = serializers.CharField()
    version = serializers.CharField()
    features = serializers.DictField(child=serializers.JSONField(), help_text="The values by name, as predicted on.")
    output = OutputField(allow_null=True)
    error = serializers.CharField(allow_null=True, help_text="The code that says why there is no output.")
    warnings = serializers.ListField(child=serializers.CharField())
    source = serializers.ChoiceField(choices=["stream", "rest", "oip", "console"])
    device = serializers.CharField(allow_null=True)
    request_id = serializers.UUIDField(help_text="The request, or the stream session, it came in.")
    client_id = serializers.CharField(allow_null=True)
    subject = serializers.CharField(allow_null=True)
    device_time = serializers.DateTimeField(allow_null=True)
    predicted_at = serializers.DateTimeField()
    stored = serializers.BooleanField()


@extend_schema_field({"oneOf": [{"type": "string", "maxLength": 256}, {"type": "number"}]})
class TruthField(serializers.JSONField):
    """A label, or a number."""


@extend_schema_field({"oneOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]})
class TimeField(serializers.JSONField):
    """RFC 3339 with a zone, or Unix seconds."""


class FeedbackSerializer(serializers.Serializer):
    """What is true of a prediction."""

    value = TruthField(help_text="The true label of a classification or an anomaly, the true value of a regression.")
    ts = TimeField(required=False, help_text="When it was found out: RFC 3339 with a zone, or Unix seconds.")


class FeedbackItemSerializer(FeedbackSerializer):
    """What is true of one of several predictions."""

    prediction = serializers.CharField(help_text="The prediction's id.")


class FeedbackBatchSerializer(serializers.Serializer):
    """What is true of several predictions."""

    feedback = serializers.ListField(child=FeedbackItemSerializer(), min_length=1, max_length=MAX_ITEMS)


class FeedbackAnswerSerializer(serializers.Serializer):
    """Feedback that is committed."""

    prediction = serializers.UUIDField()
    stored = serializers.BooleanField()
    duplicate = serializers.BooleanField(help_text="The last thing this source said was the same: no new row.")
    revision = serializers.IntegerField(help_text="1, 2, … of this source for this prediction; the last one counts.")
    request_id = serializers.UUIDField()


class FeedbackItemAnswerSerializer(serializers.Serializer):
    """What became of one item."""

    status = serializers.IntegerField(help_text="The status it would have had alone.")
    prediction = serializers.CharField(allow_null=True, help_text="As it came.")
    stored = serializers.BooleanField()
    duplicate = serializers.BooleanField(required=False)
    revision = serializers.IntegerField(required=False)
    code = serializers.CharField(required=False, help_text="Why it is not stored.")
    detail = serializers.CharField(required=False)
    pointer = serializers.CharField(required=False, help_text="JSON Pointer (RFC 6901) into the request's body.")


class FeedbackBatchAnswerSerializer(serializers.Serializer):
    """What became of each item, in their order."""

    feedback = FeedbackItemAnswerSerializer(many=True)
    request_id = serializers.UUIDField()


class FieldProblemSerializer(serializers.Serializer):
    """One bad field."""

    pointer = serializers.CharField(allow_blank=True, help_text="JSON Pointer (RFC 6901) into the request's body.")
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer):
    """A refusal or failure (RFC 9457). Branch on `code`."""

    type = serializers.CharField(help_text="`urn:foretell:error:<code>`")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What was expected, what came, what to do.")
    code = serializers.CharField()
    request_id = serializers.UUIDField()
    errors = FieldProblemSerializer(many=True, required=False, help_text="Every bad field found.")
    limit = serializers.IntegerField(required=False, help_text="With `body_too_large`: bytes.")
    accepted = serializers.CharField(required=False, help_text="With 415: what is accepted.")
