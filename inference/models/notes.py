"""What people say about endpoints, versions and predictions."""

from django.conf import settings
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from inference.models.records import Prediction
from inference.models.registry import Endpoint, Version


class Note(models.Model):
    """What a person says about an endpoint, a version or a prediction. Never changed; its author may take it back.

    The prediction it is about may be gone by now: no constraint holds it.
    """

    endpoint = models.ForeignKey(Endpoint, null=True, on_delete=models.PROTECT, related_name="notes")
    version = models.ForeignKey(Version, null=True, on_delete=models.PROTECT, related_name="notes")
    prediction = models.ForeignKey(
        Prediction, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="notes"
    )
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=4000, validators=[MaxLengthValidator(4000)])
    written_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(endpoint__isnull=False, version=None, prediction=None)
                | Q(endpoint=None, version__isnull=False, prediction=None)
                | Q(endpoint=None, version=None, prediction__isnull=False),
                name="note_about_one_thing",
            )
        ]

    def __str__(self) -> str:
        return f"{self.author} on {self.about}"

    @property
    def about(self) -> Endpoint | Version | str:
        """What it is about; a prediction by its id, since that may be gone."""
        return self.endpoint or self.version or f"prediction {self.prediction_id}"
