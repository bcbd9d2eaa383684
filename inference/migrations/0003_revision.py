"""The revision row, the triggers that count it up, and the ones that keep history from being rewritten."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION inference_revision_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inference_revision AS revision (id, number) VALUES (1, 1)
        ON CONFLICT (id) DO UPDATE SET number = revision.number + 1;
    RETURN NULL;
END $$;

CREATE FUNCTION inference_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is never %: %', TG_TABLE_NAME, CASE TG_OP WHEN 'DELETE' THEN 'deleted' ELSE 'changed' END, TG_ARGV[0]
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION inference_deployment_only_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL
        AND to_jsonb(NEW) - 'ended_at' = to_jsonb(OLD) - 'ended_at' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'inference_deployment is history: only an open row changes, and only by ending'
        USING ERRCODE = 'restrict_violation';
END $$;
"""

UNDO_FUNCTIONS = """
DROP FUNCTION inference_revision_grow() CASCADE;
DROP FUNCTION inference_refuse() CASCADE;
DROP FUNCTION inference_deployment_only_ends() CASCADE;
"""

HISTORY = """
CREATE TRIGGER version_is_immutable BEFORE UPDATE OR DELETE ON inference_version
    FOR EACH ROW EXECUTE FUNCTION inference_refuse('publish another version');
CREATE TRIGGER endpoint_is_kept BEFORE DELETE ON inference_endpoint
    FOR EACH ROW EXECUTE FUNCTION inference_refuse('retire it');
CREATE TRIGGER deployment_is_kept BEFORE DELETE ON inference_deployment
    FOR EACH ROW EXECUTE FUNCTION inference_refuse('it is history');
CREATE TRIGGER deployment_only_ends BEFORE UPDATE ON inference_deployment
    FOR EACH ROW EXECUTE FUNCTION inference_deployment_only_ends();
"""

USERS = get_user_model()._meta.db_table

FOLLOWED = {
    "inference_endpoint": "INSERT OR DELETE OR"
    " UPDATE OF slug, name, description, signature, signature_digest, audit, retired_at",
    "inference_version": "INSERT OR DELETE",
    "inference_deployment": "INSERT OR DELETE OR UPDATE OF role, weight, ended_at",
    "inference_device": "DELETE OR UPDATE OF name, owner_id, disabled_at",
    "inference_credential": "INSERT OR DELETE OR"
    " UPDATE OF prefix, secret_sha256, device_id, service, scopes, expires_at, revoked_at",
    "inference_credential_endpoints": "INSERT OR DELETE OR UPDATE",
    USERS: "DELETE OR UPDATE OF is_active",
}


def followed(table: str, events: str) -> str:
    """SQL for the trigger of one table.

    It is deferred to the commit, so that the revision row is the last one a transaction locks: counted up at once,
    two transactions that each wait for the other's endpoint would end in a deadlock.
    """
    return (
        f"CREATE CONSTRAINT TRIGGER revision_grows AFTER {events} ON {table}"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION inference_revision_grow();"
    )


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0002_prediction'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(FUNCTIONS, UNDO_FUNCTIONS),
        migrations.RunSQL("INSERT INTO inference_revision (id, number) VALUES (1, 1)", "DELETE FROM inference_revision"),
        migrations.RunSQL(HISTORY, migrations.RunSQL.noop),
        *[migrations.RunSQL(followed(table, events), migrations.RunSQL.noop) for table, events in FOLLOWED.items()],
    ]
