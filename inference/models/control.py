"""That something changed, and who changed what, when and why."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from inference.models.registry import Deployment


class Revision(models.Model):
    """One row whose number grows with every change of what is live or who may ask. Every process follows it."""

    number = models.BigIntegerField(default=1)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_revision_row")]

    def __str__(self) -> str:
        return str(self.number)


class ControlLog(models.Model):
    """Who changed what, when, from what to what, and why. Only ever added to: Postgres refuses everything else.

    Rows refer to others without database constraints, since nothing that happens to those may touch the log.
    """

    at = models.DateTimeField(db_default=Now(), editable=False)
    actor = models.CharField(max_length=150, help_text="A user's name, or `command:NAME by` the system's user.")
    action = models.CharField(max_length=64, help_text="What was done to what, e.g. `device.disable`.")
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=200)
    before = models.JSONField(default=dict, help_text="What changed, as it was.")
    after = models.JSONField(default=dict, help_text="What changed, as it became.")
    reason = models.TextField(blank=True)
    deployment = models.ForeignKey(
        Deployment,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        help_text="The row of the history that holds from, to and why.",
    )
    request_id = models.UUIDField(null=True, help_text="The request it came with; empty for a command.")

    class Meta:
        ordering = ["-id"]
        verbose_name = "control log entry"
        verbose_name_plural = "control log entries"
        indexes = [models.Index(fields=["action", "object_id"], name="changes_of_an_object")]

    def __str__(self) -> str:
        return f"{self.action} {self.object_name} by {self.actor}"
