"""What was asked and answered, what turned out to be true, and how much was refused."""

import datetime
import uuid

from django.db import models
from django.db.models.functions import Now

from inference.fields import JsonTextField
from inference.ids import prediction_id
from inference.models.identity import Credential, Device
from inference.models.registry import Endpoint, Version


class Source(models.IntegerChoices):
    """The door a prediction came through. Batch jobs keep their answers by themselves; 4 was meant for them."""

    STREAM = 1
    REST = 2
    OIP = 3
    CONSOLE = 5


class Prediction(models.Model):
    """The stored answer to one instance. Partitioned by its id, a UUIDv7: time, key and look-up in one.

    The recorder writes rows by COPY and nothing ever changes one. References to other tables carry no database
    constraint: a check per row is not affordable at hundreds of rows a commit, and the rows they name are never
    deleted while predictions refer to them.
    """

    id = models.UUIDField(primary_key=True)
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    version = models.ForeignKey(
        Version, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    device = models.ForeignKey(
        Device, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    credential = models.ForeignKey(
        Credential, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    source = models.PositiveSmallIntegerField(choices=Source)
    request_id = models.UUIDField(help_text="The request, or the stream session, it came in.")
    stream_id = models.BigIntegerField(null=True)
    seq = models.BigIntegerField(null=True)
    client_id = models.TextField(null=True)
    subject = models.TextField(null=True)
    device_time = models.DateTimeField(null=True, help_text="When the device says it read the values.")
    features = JsonTextField(help_text="The values in the order of the version's signature.")
    output = JsonTextField(null=True)
    error = models.TextField(null=True, help_text="The code, when no output could be given.")
    warnings = JsonTextField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["endpoint", "id"], name="prediction_by_endpoint"),
            models.Index(fields=["device", "id"], name="prediction_by_device"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def predicted_at(self) -> datetime.datetime:
        """When the prediction was made: the time in its id, to the millisecond."""
        milliseconds = uuid.UUID(str(self.id)).int >> 80
        return datetime.datetime.fromtimestamp(milliseconds / 1000, tz=datetime.UTC)


class Feedback(models.Model):
    """What one source says is true of one prediction. Rows are only added; the source's last revision counts.

    The prediction it names may be gone by now: no constraint holds it. The database refuses to change or delete a row.
    """

    id = models.UUIDField(primary_key=True, default=prediction_id, editable=False)
    prediction = models.ForeignKey(
        Prediction, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="feedback"
    )
    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, db_index=False, related_name="+")
    credential = models.ForeignKey(
        Credential, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    source = models.CharField(max_length=160, help_text="Who says it: device:NAME, service:NAME or user:NAME.")
    revision = models.PositiveIntegerField(help_text="1, 2, … of this source for this prediction.")
    value = models.JSONField(help_text="The true label, or the true value.")
    device_time = models.DateTimeField(null=True, help_text="When its sender says it was found out.")
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "feedback"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["prediction", "source", "revision"], name="feedback_revision_once_a_source")
        ]
        indexes = [models.Index(fields=["endpoint", "id"], name="feedback_by_endpoint")]

    def __str__(self) -> str:
        return f"{self.value} by {self.source}"


class Rejection(models.Model):
    """How many readings of a device were refused with a code in an hour: refused readings have no row of their own."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="+")
    device = models.ForeignKey(Device, null=True, on_delete=models.CASCADE, related_name="+")
    code = models.CharField(max_length=32)
    hour = models.DateTimeField()
    count = models.BigIntegerField()

    class Meta:
        ordering = ["-hour"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "device", "code", "hour"], nulls_distinct=False, name="rejections_counted_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.count} × {self.code}"
