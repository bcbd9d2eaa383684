"""What people see of the registry and the records. Pages read; what they may change goes through the services."""

from inference.admin import access, control, feedback, notes, records, registry

__all__ = ["access", "control", "feedback", "notes", "records", "registry"]
