from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0005_slots_latest"),
    ]

    operations = [
        migrations.AddField(
            model_name="batchjob",
            name="resumed_at",
            field=models.DateTimeField(editable=False, help_text="When it was last resumed or tried again.", null=True),
        ),
    ]
