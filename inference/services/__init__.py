"""Everything that changes the registry: endpoints and versions, what is live, devices and credentials.

Each function is one transaction. What may change what is decided by its caller; that a change is right is decided
here and, for history, by the database.
"""

from inference.services.control import control_log_write
from inference.services.credentials import Issued, credential_create, credential_revoke, credential_rotate
from inference.services.deployments import version_deploy
from inference.services.devices import device_create, device_disable, device_enable, device_rotate
from inference.services.feedback import feedback_give
from inference.services.notes import note_delete, note_write
from inference.services.predictions import Recomputed, prediction_recompute
from inference.services.releases import Released, release_deploy
from inference.services.versions import version_publish, version_pull, version_verify

__all__ = [
    "Issued",
    "Recomputed",
    "Released",
    "control_log_write",
    "credential_create",
    "credential_revoke",
    "credential_rotate",
    "device_create",
    "device_disable",
    "device_enable",
    "device_rotate",
    "feedback_give",
    "note_delete",
    "note_write",
    "prediction_recompute",
    "release_deploy",
    "version_deploy",
    "version_publish",
    "version_pull",
    "version_verify",
]
