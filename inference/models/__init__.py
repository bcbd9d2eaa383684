"""What Foretell knows: endpoints, versions, what was live when, who may ask, and every prediction.

registry  endpoints, their versions, and what was live when
identity  who may ask
records   predictions, what turned out to be true of them, refusals
control   that something changed, and who changed it
notes     what people say of the rest
presence  which processes serve, and which devices are connected
"""

from inference.models.control import ControlLog, Revision
from inference.models.identity import Credential, Device, Scope
from inference.models.notes import Note
from inference.models.presence import Presence, WebProcess
from inference.models.records import Feedback, Prediction, Rejection, Source
from inference.models.registry import SLUG, AuditPolicy, Deployment, Endpoint, Promotion, Role, Version

__all__ = [
    "SLUG",
    "AuditPolicy",
    "ControlLog",
    "Credential",
    "Deployment",
    "Device",
    "Endpoint",
    "Feedback",
    "Note",
    "Prediction",
    "Presence",
    "Promotion",
    "Rejection",
    "Revision",
    "Role",
    "Scope",
    "Source",
    "Version",
    "WebProcess",
]
