#!/usr/bin/env python
"""Run Foretell's commands: `manage.py help` lists them."""

import os
import sys


def main() -> None:
    """Hand the command line to Django."""
    if not (3, 11) <= sys.version_info < (3, 14):
        sys.exit("Foretell needs Python 3.11, 3.12 or 3.13; this is {}.{}.".format(*sys.version_info))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
