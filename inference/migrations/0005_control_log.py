"""The control log, which only grows."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from inference.permissions import granted

# For each statement and not for each row, so that one that happens to meet no row is refused as well.
KEPT = """
CREATE TRIGGER control_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON inference_controllog
    FOR EACH STATEMENT EXECUTE FUNCTION inference_refuse('it is only added to');
"""


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0004_people'),
    ]

    operations = [
        migrations.CreateModel(
            name='ControlLog',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('actor', models.CharField(help_text="A user's name, or `command:NAME by` the system's user.", max_length=150)),
                ('action', models.CharField(help_text='What was done to what, e.g. `device.disable`.', max_length=64)),
                ('object_id', models.CharField(max_length=64)),
                ('object_name', models.CharField(max_length=200)),
                ('before', models.JSONField(default=dict, help_text='What changed, as it was.')),
                ('after', models.JSONField(default=dict, help_text='What changed, as it became.')),
                ('reason', models.TextField(blank=True)),
                ('request_id', models.UUIDField(help_text='The request it came with; empty for a command.', null=True)),
                ('deployment', models.ForeignKey(db_constraint=False, help_text='The row of the history that holds from, to and why.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='inference.deployment')),
            ],
            options={
                'verbose_name': 'change',
                'verbose_name_plural': 'control log',
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['action', 'object_id'], name='changes_of_an_object')],
            },
        ),
        migrations.RunSQL(KEPT, migrations.RunSQL.noop),
        granted({'admin': ['inference.view_controllog']}),
    ]
