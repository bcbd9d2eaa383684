"""Settings of a Foretell that logs each message which Celery sends, receives and is through with."""

from project.settings import *  # noqa: F403
from project.settings import LOGGING as _USUAL

LOGGING = {**_USUAL, "quiet": []}
