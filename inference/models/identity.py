"""Who may ask: devices, and the credentials of devices and services."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from inference.models.registry import SLUG, Endpoint


class Scope(models.TextChoices):
    """What a credential may do."""

    PREDICT = "predict"
    FEEDBACK = "feedback"
    READ = "read"
    JOBS = "jobs"
    ADMIN = "admin"


class Device(models.Model):
    """A thing that sends readings."""

    name = models.CharField(max_length=64, unique=True, validators=[SLUG])
    description = models.TextField(blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def refusal(self) -> str:
        """Why its credentials are refused, whatever they say themselves: a few words, or none."""
        if self.disabled_at is not None:
            return "device disabled"
        return "owner switched off" if self.owner is not None and not self.owner.is_active else ""


class Credential(models.Model):
    """A key of a device or of a service. Only the digest of its secret is kept."""

    prefix = models.CharField(max_length=8, unique=True)
    secret_sha256 = models.BinaryField(max_length=32)
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.CASCADE, related_name="credentials")
    service = models.CharField(max_length=64, blank=True, help_text="The name of a program, when it is not a device's.")
    scopes = ArrayField(models.CharField(max_length=8, choices=Scope))
    endpoints = models.ManyToManyField(Endpoint, blank=True, help_text="The endpoints it may use; none chosen = all.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=(Q(device=None) & ~Q(service="")) | (Q(device__isnull=False) & Q(service="")),
                name="credential_of_a_device_or_a_service",
            )
        ]

    def __str__(self) -> str:
        return f"ft_{self.prefix}_… of {self.device or self.service}"
