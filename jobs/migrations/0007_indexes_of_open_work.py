from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0006_resumed"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="batchjob", name="batch_jobs_open"),
        migrations.AddIndex(
            model_name="batchjob",
            index=models.Index(
                fields=["state"],
                condition=Q(state__in=["queued", "reading", "running", "paused"]),
                name="batch_jobs_open",
            ),
        ),
        migrations.AddIndex(
            model_name="batchjob",
            index=models.Index(
                fields=["id"],
                condition=Q(state="done", kind="query", report__isnull=True, code=""),
                name="batch_jobs_unreported",
            ),
        ),
        migrations.AddIndex(
            model_name="batchjob",
            index=models.Index(fields=["finished_at"], name="batch_jobs_finished"),
        ),
    ]
