"""Work that takes minutes, as rows: what is to be done, who is doing it, how far it got. Celery only wakes it up."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from inference.fields import JsonTextField
from inference.ids import prediction_id
from inference.models import SLUG, Credential, Deployment, Endpoint, Version


class Leased(models.Model):
    """A piece of work that one worker at a time holds, until it is done or the worker is heard of no more.

    `token` grows with every holder: what a holder writes counts only while the row has the holder's token. Times are
    Postgres's, so that the clocks of workers don't matter.
    """

    attempts = models.PositiveSmallIntegerField(default=0)
    token = models.BigIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, editable=False)
    holder = models.CharField(max_length=200, blank=True, help_text="The worker that holds it, or held it last.")

    class Meta:
        abstract = True


class Requested(models.Model):
    """Who asked for something, when, and in which slot of which schedule if it was one."""

    id = models.UUIDField(primary_key=True, default=prediction_id, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.CharField(max_length=150, help_text="A user's name, service:NAME, or schedule:NAME.")
    credential = models.ForeignKey(Credential, null=True, on_delete=models.SET_NULL, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    schedule = models.CharField(max_length=200, blank=True, help_text="The schedule it comes from, if from one.")
    slot = models.CharField(max_length=64, help_text="When the schedule meant it, or a name of its own.")
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    code = models.CharField(max_length=64, blank=True, help_text="Why it failed, as a code.")
    detail = models.TextField(blank=True, help_text="Why it failed, as a sentence.")

    class Meta:
        abstract = True


class BatchJob(Leased, Requested):
    """Many rows of a file, or of stored predictions, answered by one version.

    The lease is held by who reads the input and cuts it into chunks; chunks have their own.
    """

    class Kind(models.TextChoices):
        """Where the rows come from."""

        UPLOAD = "upload"
        QUERY = "query", "query over stored predictions"

    class Format(models.TextChoices):
        """How the input is written."""

        CSV = "csv", "CSV"
        NDJSON = "ndjson", "NDJSON"
        PARQUET = "parquet", "Parquet"

    class State(models.TextChoices):
        """How far it got."""

        QUEUED = "queued"
        READING = "reading"
        RUNNING = "running"
        PAUSED = "paused"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=6, choices=Kind)
    format = models.CharField(max_length=7, choices=Format)
    state = models.CharField(max_length=9, choices=State, default=State.QUEUED)
    file = models.CharField(max_length=200, blank=True, help_text="The input's name in the storage `uploads`.")
    file_name = models.CharField(max_length=200, blank=True, help_text="The name its sender gave it.")
    file_bytes = models.BigIntegerField(null=True)
    file_sha256 = models.CharField(max_length=64, blank=True)
    selection = models.JSONField(null=True, help_text="Of a query: which stored predictions.")
    columns = models.JSONField(default=list, help_text="The input's columns in their order.")
    carried = models.JSONField(
        default=list, help_text="Columns that are no inputs and go into the results as they are."
    )
    rows = models.IntegerField(null=True, help_text="Known once the input was read.")
    resumed_at = models.DateTimeField(null=True, editable=False, help_text="When it was last resumed or tried again.")
    report = models.JSONField(null=True, help_text="Of a query that is done: how the version differs from then.")
    expired_at = models.DateTimeField(null=True, editable=False, help_text="From then on input and results are gone.")

    class Meta:
        ordering = ["-id"]
        permissions = [("run_batchjob", "Can run batch job")]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "slot"], name="batch_job_once_a_slot"),
        ]
        # Jobs stay for good, and workers look again and again for those that are not over.
        indexes = [
            models.Index(
                fields=["state"],
                condition=Q(state__in=["queued", "reading", "running", "paused"]),
                name="batch_jobs_open",
            ),
            models.Index(
                fields=["id"],
                condition=Q(state="done", kind="query", report__isnull=True, code=""),
                name="batch_jobs_unreported",
            ),
            models.Index(fields=["finished_at"], name="batch_jobs_finished"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint.slug} {self.id}"


class Chunk(Leased):
    """Some consecutive rows of a batch job: what one worker does at a time, whole or not at all."""

    class State(models.TextChoices):
        """How far it got."""

        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        POISON = "poison", "poison: it ended its worker too often"

    job = models.ForeignKey(BatchJob, on_delete=models.CASCADE, db_index=False, related_name="chunks")
    number = models.PositiveIntegerField(help_text="0, 1, … in the input's order.")
    first_row = models.PositiveIntegerField(help_text="The number of its first row; rows are counted from 1.")
    rows = models.PositiveIntegerField()
    file = models.CharField(max_length=200, help_text="Its piece of the input in the storage `uploads`.")
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    ok = models.PositiveIntegerField(default=0)
    errors = models.JSONField(default=dict, help_text="How many of its rows ended with which error code.")
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["job", "number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="chunk_once_a_job")]
        indexes = [
            models.Index(
                fields=["job", "number"], condition=Q(state__in=["waiting", "running"]), name="chunks_not_finished"
            )
        ]

    def __str__(self) -> str:
        return f"rows {self.first_row} to {self.first_row + self.rows - 1}"


class Result(models.Model):
    """What one row of a batch job came to: an output, or an error. Written by COPY with its chunk's end."""

    pk = models.CompositePrimaryKey("job_id", "row")
    job = models.ForeignKey(
        BatchJob, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    row = models.IntegerField(help_text="1, 2, … in the input's order.")
    output = JsonTextField(null=True)
    error = models.TextField(null=True, help_text="The code, when there is no output.")
    detail = models.TextField(null=True, help_text="What is wrong with the row, as a sentence.")

    class Meta:
        ordering = ["job", "row"]
        indexes = [models.Index(fields=["job", "row"], condition=Q(error__isnull=False), name="results_errors")]

    def __str__(self) -> str:
        return f"row {self.row}"


class TrainingRun(Leased, Requested):
    """One retraining: from the data it selects to the version it publishes, or to why there is none."""

    class Policy(models.TextChoices):
        """What happens to a version that passed the gate."""

        DEPLOY = "deploy", "deploy: goes live by itself"
        APPROVE = "approve", "approve: waits for a person"
        REGISTER = "register", "register: is published only"

    class State(models.TextChoices):
        """How far it got."""

        QUEUED = "queued"
        RUNNING = "running"
        WAITING = "waiting", "waiting for approval"
        DEPLOYED = "deployed"
        REGISTERED = "registered"
        REFUSED = "refused", "refused by the gate"
        REJECTED = "rejected"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class Step(models.TextChoices):
        """What it is doing, or did last."""

        SELECT = "select", "selecting data"
        FIT = "fit", "fitting"
        JUDGE = "judge", "measuring and judging"
        PUBLISH = "publish", "publishing"
        PROMOTE = "promote", "promoting"

    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="+")
    algorithm = models.CharField(max_length=64, validators=[SLUG])
    policy = models.CharField(max_length=8, choices=Policy)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    step = models.CharField(max_length=7, choices=Step, default=Step.SELECT)
    feedback_since = models.DateTimeField(null=True, help_text="Feedback from then on is added to the base data.")
    data = models.JSONField(default=dict, help_text="The frozen data: file, digest, and how many rows of which origin.")
    gate = models.JSONField(default=dict, help_text="The rules, and what came of each.")
    report = models.JSONField(default=dict, help_text="Metrics of candidate and champion, and what plots show.")
    champion = models.ForeignKey(
        Version, null=True, on_delete=models.PROTECT, related_name="+", help_text="What it was compared with."
    )
    candidate = models.ForeignKey(Version, null=True, on_delete=models.PROTECT, related_name="+")
    deployment = models.ForeignKey(Deployment, null=True, on_delete=models.PROTECT, related_name="+")
    decided_by = models.CharField(max_length=150, blank=True, help_text="Who approved, rejected or cancelled it.")
    reason = models.TextField(blank=True, help_text="Why it was asked for, and why it was decided so.")

    class Meta:
        ordering = ["-id"]
        permissions = [("run_trainingrun", "Can run training run")]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "slot"], name="training_run_once_a_slot"),
            models.UniqueConstraint(
                fields=["endpoint", "algorithm"],
                condition=Q(state__in=["queued", "running"]),
                name="one_open_run_an_algorithm",
            ),
            models.UniqueConstraint(
                fields=["endpoint", "slot"], condition=Q(state="deployed"), name="one_promotion_a_slot"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint.slug} {self.algorithm} {self.id}"


class RunLine(models.Model):
    """One line of a training run's log."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="lines")
    at = models.DateTimeField(db_default=Now(), editable=False)
    text = models.TextField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.text


class ScheduleSlot(models.Model):
    """One time a schedule was due and was seen to: what it started, or why it could start nothing. Never twice."""

    schedule = models.CharField(max_length=200)
    slot = models.CharField(max_length=64, help_text="The local time and the zone.")
    due_at = models.DateTimeField()
    at = models.DateTimeField(db_default=Now(), editable=False)
    started_id = models.UUIDField(null=True, help_text="The batch job or the training run.")
    code = models.CharField(max_length=64, blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        default_permissions = ()
        ordering = ["-due_at"]
        constraints = [models.UniqueConstraint(fields=["schedule", "slot"], name="slot_once_a_schedule")]
        indexes = [models.Index(fields=["schedule", "-due_at"], name="slots_latest")]

    def __str__(self) -> str:
        return f"{self.schedule} {self.slot}"


class Worker(models.Model):
    """A worker that lives: it says so every few seconds."""

    name = models.CharField(primary_key=True, max_length=200, help_text="As Celery names it.")
    queues = models.JSONField(default=list)
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    seen_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
