"""The shell: settings, doors and supervision. It wires the parts and decides nothing about predictions."""

from project.celery import app as celery_app

__all__ = ["celery_app"]
