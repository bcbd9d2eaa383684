"""The predictions: a table partitioned by id, which Django can't write as a CREATE TABLE."""

import django.db.models.deletion
from django.db import migrations, models

import inference.fields
from inference import partitions

# Fixed-width columns first, in falling alignment, so that no row carries padding. `txid` is not Django's: it tells
# incremental readers which rows are sure to be complete (docs/how-recording-works.md).
CREATE = """
CREATE TABLE inference_prediction (
    id uuid NOT NULL,
    request_id uuid NOT NULL,
    txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    endpoint_id bigint NOT NULL,
    version_id bigint NOT NULL,
    device_id bigint,
    credential_id bigint,
    stream_id bigint,
    seq bigint,
    device_time timestamptz,
    source smallint NOT NULL,
    client_id text,
    subject text,
    error text,
    features json NOT NULL,
    output json,
    warnings json,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE TABLE inference_prediction_default PARTITION OF inference_prediction DEFAULT;
CREATE INDEX prediction_by_endpoint ON inference_prediction (endpoint_id, id);
CREATE INDEX prediction_by_device ON inference_prediction (device_id, id);
CREATE INDEX prediction_by_transaction ON inference_prediction (txid);
"""


def make_partitions(apps, schema_editor):
    """The first week's partitions; the beat task makes all later ones."""
    partitions.ensure()


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0001_initial'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(CREATE, 'DROP TABLE inference_prediction'),
            ],
            state_operations=[
                migrations.CreateModel(
                    name='Prediction',
                    fields=[
                        ('id', models.UUIDField(primary_key=True, serialize=False)),
                        ('source', models.PositiveSmallIntegerField(choices=[(1, 'Stream'), (2, 'Rest'), (3, 'Oip'), (4, 'Batch')])),
                        ('request_id', models.UUIDField(help_text='The request, or the stream session, it came in.')),
                        ('stream_id', models.BigIntegerField(null=True)),
                        ('seq', models.BigIntegerField(null=True)),
                        ('client_id', models.TextField(null=True)),
                        ('subject', models.TextField(null=True)),
                        ('device_time', models.DateTimeField(help_text='When the device says it read the values.', null=True)),
                        ('features', inference.fields.JsonTextField(help_text="The values in the order of the version's signature.")),
                        ('output', inference.fields.JsonTextField(null=True)),
                        ('error', models.TextField(help_text='The code, when no output could be given.', null=True)),
                        ('warnings', inference.fields.JsonTextField(null=True)),
                        ('credential', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='inference.credential')),
                        ('device', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='inference.device')),
                        ('endpoint', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='inference.endpoint')),
                        ('version', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='inference.version')),
                    ],
                    options={
                        'ordering': ['-id'],
                        'indexes': [models.Index(fields=['endpoint', 'id'], name='prediction_by_endpoint'), models.Index(fields=['device', 'id'], name='prediction_by_device')],
                    },
                ),
            ],
        ),
        migrations.RunPython(make_partitions, migrations.RunPython.noop),
    ]
