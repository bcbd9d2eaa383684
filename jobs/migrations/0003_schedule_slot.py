"""Slots of schedules that were seen to."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0002_people'),
    ]

    operations = [
        migrations.CreateModel(
            name='ScheduleSlot',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('schedule', models.CharField(max_length=200)),
                ('slot', models.CharField(help_text='The local time and the zone.', max_length=64)),
                ('due_at', models.DateTimeField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('started_id', models.UUIDField(help_text='The batch job or the training run.', null=True)),
                ('code', models.CharField(blank=True, max_length=64)),
                ('detail', models.TextField(blank=True)),
            ],
            options={
                'ordering': ['-due_at'],
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('schedule', 'slot'), name='slot_once_a_schedule')],
            },
        ),
    ]
