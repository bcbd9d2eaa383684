"""What one row of the control log is called, and several."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0013_no_batch_source"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="controllog",
            options={
                "ordering": ["-id"],
                "verbose_name": "control log entry",
                "verbose_name_plural": "control log entries",
            },
        ),
    ]
