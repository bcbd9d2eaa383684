"""Answers of batch jobs are results, not predictions: no prediction comes from there."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0012_truths'),
    ]

    operations = [
        migrations.AlterField(
            model_name='prediction',
            name='source',
            field=models.PositiveSmallIntegerField(choices=[(1, 'Stream'), (2, 'Rest'), (3, 'Oip'), (5, 'Console')]),
        ),
    ]
