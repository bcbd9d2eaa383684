"""Settings of a Foretell whose broker delivers every message again and again, since it trusts nobody for 2 s."""

from project.settings import CELERY_BROKER_TRANSPORT_OPTIONS as _USUAL
from tests.talkative import *  # noqa: F403

CELERY_BROKER_TRANSPORT_OPTIONS = {**_USUAL, "visibility_timeout": 2}
