from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0004_results_errors"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="scheduleslot",
            index=models.Index(fields=["schedule", "-due_at"], name="slots_latest"),
        ),
    ]
