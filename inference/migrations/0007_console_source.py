"""Predictions asked for at the console say so."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0006_feedback'),
    ]

    operations = [
        migrations.AlterField(
            model_name='prediction',
            name='source',
            field=models.PositiveSmallIntegerField(choices=[(1, 'Stream'), (2, 'Rest'), (3, 'Oip'), (4, 'Batch'), (5, 'Console')]),
        ),
    ]
