"""Django's entry for this package."""

from django.apps import AppConfig


class StreamingConfig(AppConfig):
    """The `streaming` app."""

    name = "streaming"
