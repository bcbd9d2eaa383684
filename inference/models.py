"""What Foretell knows: endpoints, versions, what was live when, who may ask, and every prediction."""

import datetime
import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxLengthValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from inference.fields import JsonTextField
from inference.ids import prediction_id

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


class Scope(models.TextChoices):
    """What a credential may do."""

    PREDICT = "predict"
    FEEDBACK = "feedback"
    READ = "read"
    JOBS = "jobs"
    ADMIN = "admin"


class Source(models.IntegerChoices):
    """The door a prediction came through. Batch jobs keep their answers by themselves; 4 was meant for them."""

    STREAM = 1
    REST = 2
    OIP = 3
    CONSOLE = 5


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
        verbose_name = "change"
        verbose_name_plural = "control log"
        indexes = [models.Index(fields=["action", "object_id"], name="changes_of_an_object")]

    def __str__(self) -> str:
        return f"{self.action} {self.object_name} by {self.actor}"


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
