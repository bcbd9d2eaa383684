"""The groups people are in, with what each may do."""

from django.db import migrations

from inference.permissions import granted

LOOKS = [
    'inference.view_endpoint',
    'inference.view_version',
    'inference.view_deployment',
    'inference.view_device',
    'inference.view_prediction',
    'inference.view_rejection',
]
OPERATES = [
    'inference.try_endpoint',
    'inference.add_device',
    'inference.change_device',
    'inference.view_credential',
    'inference.add_credential',
    'inference.change_credential',
]
GOVERNS = [
    'inference.manage_every_endpoint',
    'inference.change_endpoint',
    'auth.view_user',
    'auth.add_user',
    'auth.change_user',
    'auth.view_group',
]


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0003_revision'),
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='endpoint',
            options={'ordering': ['slug'], 'permissions': [('try_endpoint', 'Can try endpoint'), ('manage_every_endpoint', 'Can manage every endpoint')]},
        ),
        migrations.AlterModelOptions(
            name='version',
            options={'ordering': ['endpoint', 'algorithm', '-major', '-minor', '-patch'], 'permissions': [('deploy_version', 'Can deploy version')]},
        ),
        granted(
            {
                'viewer': LOOKS,
                'operator': LOOKS + OPERATES,
                'data scientist': [*LOOKS, 'inference.try_endpoint', 'inference.deploy_version'],
                'admin': LOOKS + OPERATES + GOVERNS + ['inference.deploy_version'],
            }
        ),
    ]
