"""What people see of the registry and the records. Pages read; what they may change goes through the services."""

from inference.admin import access, control, credentials, feedback, notes, records, registry

__all__ = ["access", "control", "credentials", "feedback", "notes", "records", "registry"]
