"""Feedback that people give at a page."""

from django.db import migrations

from inference.permissions import granted


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0011_promotion'),
    ]

    operations = [
        granted(dict.fromkeys(('operator', 'data scientist', 'admin'), ['inference.add_feedback'])),
    ]
