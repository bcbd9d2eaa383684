"""What becomes of a version that retraining made, endpoint by endpoint."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0010_kept_whole'),
    ]

    operations = [
        migrations.AddField(
            model_name='endpoint',
            name='promotion',
            field=models.CharField(choices=[('deploy', 'deploy: goes live by itself'), ('approve', 'approve: waits for a person'), ('register', 'register: is published only')], default='approve', help_text='What becomes of a retrained version.', max_length=8),
        ),
    ]
