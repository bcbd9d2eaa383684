"""What is never changed is not truncated either."""

from django.db import migrations

# For each statement and not for each row, so that one that happens to meet no row is refused as well.
KEPT = """
DROP TRIGGER feedback_is_kept ON inference_feedback;
CREATE TRIGGER feedback_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON inference_feedback
    FOR EACH STATEMENT EXECUTE FUNCTION inference_refuse('add a revision');
CREATE TRIGGER deployment_is_not_truncated BEFORE TRUNCATE ON inference_deployment
    FOR EACH STATEMENT EXECUTE FUNCTION inference_refuse('it is history');
CREATE TRIGGER version_is_not_truncated BEFORE TRUNCATE ON inference_version
    FOR EACH STATEMENT EXECUTE FUNCTION inference_refuse('publish another version');
CREATE OR REPLACE FUNCTION inference_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is never %: %', TG_TABLE_NAME, CASE TG_OP WHEN 'UPDATE' THEN 'changed' ELSE 'deleted' END, TG_ARGV[0]
        USING ERRCODE = 'restrict_violation';
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0009_presence'),
    ]

    operations = [migrations.RunSQL(KEPT, migrations.RunSQL.noop)]
