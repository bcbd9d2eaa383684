"""Feedback: rows that are only ever added."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import inference.ids
from inference.permissions import granted

# `txid` is not Django's: it tells incremental readers which rows are sure to be complete, as on predictions.
APPEND_ONLY = """
ALTER TABLE inference_feedback ADD COLUMN txid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX feedback_by_transaction ON inference_feedback (txid);
CREATE TRIGGER feedback_is_kept BEFORE UPDATE OR DELETE ON inference_feedback
    FOR EACH ROW EXECUTE FUNCTION inference_refuse('add a revision');
"""
LOOKS = ["inference.view_feedback"]


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0005_control_log"),
    ]

    operations = [
        migrations.CreateModel(
            name="Feedback",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=inference.ids.prediction_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "source",
                    models.CharField(help_text="Who says it: device:NAME, service:NAME or user:NAME.", max_length=160),
                ),
                ("revision", models.PositiveIntegerField(help_text="1, 2, … of this source for this prediction.")),
                ("value", models.JSONField(help_text="The true label, or the true value.")),
                ("device_time", models.DateTimeField(help_text="When its sender says it was found out.", null=True)),
                ("received_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "credential",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="inference.credential",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="inference.endpoint",
                    ),
                ),
                (
                    "prediction",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="feedback",
                        to="inference.prediction",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "feedback",
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["endpoint", "id"], name="feedback_by_endpoint")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("prediction", "source", "revision"), name="feedback_revision_once_a_source"
                    )
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, migrations.RunSQL.noop),
        granted(dict.fromkeys(("viewer", "operator", "data scientist", "admin"), LOOKS)),
    ]
