"""Django's entry for this package."""

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    """The `inference` app."""

    name = "inference"
