"""What is kept of device streams."""

from django.db import models

from inference.models import Device, Endpoint


class Stream(models.Model):
    """The numbered readings of one device to one endpoint in one epoch, and how far they are settled."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="streams")
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="streams")
    epoch = models.CharField(max_length=64)
    last_seq = models.BigIntegerField(default=0, help_text="The highest settled seq.")
    session = models.UUIDField(null=True, help_text="The socket that may advance it; a newer one takes it over.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device", "endpoint", "epoch"], name="one_stream_an_epoch"),
        ]

    def __str__(self) -> str:
        return f"{self.device}/{self.endpoint}/{self.epoch}"
