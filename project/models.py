"""What the shell itself keeps: how often somebody tried to get in."""

from django.db import models


class Attempts(models.Model):
    """How often one thing was tried in a window of time. The key is a digest: what people type may be a password."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    began_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "attempts"

    def __str__(self) -> str:
        return f"{self.count} since {self.began_at:%Y-%m-%d %H:%M:%S}"
