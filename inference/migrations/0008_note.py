"""Notes, which are never changed."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from inference.permissions import granted

KEPT = """
CREATE TRIGGER note_is_never_changed BEFORE UPDATE ON inference_note
    FOR EACH ROW EXECUTE FUNCTION inference_refuse('write another one');
"""
ADD = 'inference.add_note'
VIEW = 'inference.view_note'


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0007_console_source'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Note',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField(max_length=4000, validators=[django.core.validators.MaxLengthValidator(4000)])),
                ('written_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('endpoint', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='notes', to='inference.endpoint')),
                ('prediction', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='notes', to='inference.prediction')),
                ('version', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='notes', to='inference.version')),
            ],
            options={
                'ordering': ['id'],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('endpoint__isnull', False), ('prediction', None), ('version', None)), models.Q(('endpoint', None), ('prediction', None), ('version__isnull', False)), models.Q(('endpoint', None), ('prediction__isnull', False), ('version', None)), _connector='OR'), name='note_about_one_thing')],
            },
        ),
        migrations.RunSQL(KEPT, migrations.RunSQL.noop),
        granted(
            {
                'viewer': [VIEW],
                'operator': [VIEW, ADD, 'auth.view_user'],
                'data scientist': [VIEW, ADD],
                'admin': [VIEW, ADD, 'inference.delete_note'],
            }
        ),
    ]
