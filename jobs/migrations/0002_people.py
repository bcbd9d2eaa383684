"""Who sees and who runs batch jobs and training runs."""

from django.db import migrations

from inference.permissions import granted

SEE = ["jobs.view_batchjob", "jobs.view_trainingrun"]
BATCH, TRAINING = "jobs.run_batchjob", "jobs.run_trainingrun"


class Migration(migrations.Migration):
    dependencies = [("inference", "0008_note"), ("jobs", "0001_initial")]

    operations = [
        granted(
            {
                "viewer": SEE,
                "operator": [*SEE, BATCH],
                "data scientist": [*SEE, BATCH, TRAINING],
                "admin": [*SEE, BATCH, TRAINING],
            }
        )
    ]
