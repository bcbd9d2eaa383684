"""Django's entry for this package."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """The `project` app."""

    name = "project"
