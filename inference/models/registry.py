"""Endpoints, their versions, and which of those was live when."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

SLUG = RegexValidator(r"^[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?$", "Use 1 to 64 of a-z, 0-9, `_`, `.` and `-`.")


class AuditPolicy(models.TextChoices):
    """When a prediction may leave, and whether it is stored."""

    STRICT = "strict", "strict: answered by the commit that stores it"
    FAST = "fast", "fast: answered first, stored behind"
    OFF = "off", "off: not stored"


class Promotion(models.TextChoices):
    """What becomes of a version that retraining made and the gate let through."""

    DEPLOY = "deploy", "deploy: goes live by itself"
    APPROVE = "approve", "approve: waits for a person"
    REGISTER = "register", "register: is published only"


class Role(models.TextChoices):
    """What a deployed version does for its endpoint."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    SHADOW = "shadow"


class Endpoint(models.Model):
    """A question models can answer."""

    slug = models.CharField(max_length=64, unique=True, validators=[SLUG])
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    folder = models.CharField(max_length=64, help_text="Its folder under artifacts/.")
    signature = models.JSONField(help_text="The inputs and outputs its champion has, or will have.")
    signature_digest = models.CharField(max_length=71)
    audit = models.CharField(max_length=6, choices=AuditPolicy, default=AuditPolicy.STRICT)
    promotion = models.CharField(
        max_length=8, choices=Promotion, default=Promotion.APPROVE, help_text="What becomes of a retrained version."
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True, help_text="From then on it answers no more.")

    class Meta:
        ordering = ["slug"]
        permissions = [
            ("try_endpoint", "Can try endpoint"),
            ("manage_every_endpoint", "Can manage every endpoint"),
        ]

    def __str__(self) -> str:
        return self.slug


class Version(models.Model):
    """One trained, immutable artifact of an endpoint."""

    class Origin(models.TextChoices):
        """Where a version was trained."""

        GIT = "git"
        RETRAINING = "retraining"

    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="versions")
    algorithm = models.CharField(max_length=64, validators=[SLUG])
    major = models.PositiveIntegerField()
    minor = models.PositiveIntegerField()
    patch = models.PositiveIntegerField()
    digest = models.CharField(max_length=71, help_text="sha256 of its manifest, as `sha256:…`.")
    signature_digest = models.CharField(max_length=71)
    manifest = models.JSONField()
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.GIT)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["endpoint", "algorithm", "-major", "-minor", "-patch"]
        permissions = [("deploy_version", "Can deploy version")]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "algorithm", "major", "minor", "patch"], name="version_tag_once_an_endpoint"
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint.slug}/{self.tag}"

    @property
    def number(self) -> str:
        """MAJOR.MINOR.PATCH."""
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        """The name callers use: `random_forest-1.0.0`."""
        return f"{self.algorithm}-{self.number}"


class Deployment(models.Model):
    """Which version answered an endpoint in which role, from when to when, by whom and why. Only ever ended."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="deployments")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="deployments")
    role = models.CharField(max_length=10, choices=Role, default=Role.CHAMPION)
    weight = models.FloatField(
        null=True, blank=True, help_text="A challenger's share of the traffic, above 0 and below 1."
    )
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    actor = models.CharField(max_length=150, help_text="Who: a user's name, or the command that did it.")
    reason = models.TextField()

    class Meta:
        ordering = ["-started_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint"],
                condition=Q(role=Role.CHAMPION, ended_at=None),
                name="one_open_champion_an_endpoint",
            ),
            models.UniqueConstraint(
                fields=["endpoint", "version"], condition=Q(ended_at=None), name="one_open_role_a_version"
            ),
            models.CheckConstraint(
                condition=Q(role=Role.CHALLENGER, weight__gt=0, weight__lt=1)
                | (~Q(role=Role.CHALLENGER) & Q(weight=None)),
                name="only_challengers_have_a_weight",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=models.F("started_at")), name="ended_after_it_started"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} as {self.role}"
