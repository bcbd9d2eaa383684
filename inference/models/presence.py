"""Which processes serve, and which devices are connected to them."""

from django.db import models

from inference.models.identity import Device


class WebProcess(models.Model):
    """A serving process that has said that it lives. One that says so no more is dead, and has no open sockets."""

    id = models.UUIDField(primary_key=True)
    heard_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.id)


class Presence(models.Model):
    """How many sockets a device has open in a serving process, and since when it has any there."""

    process = models.ForeignKey(WebProcess, on_delete=models.CASCADE, db_index=False, related_name="+")
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="+")
    sockets = models.PositiveIntegerField()
    since = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["process", "device"], name="device_once_a_process")]

    def __str__(self) -> str:
        return f"{self.device}: {self.sockets}"
