"""A browser whose user may do everything, on committed rows."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    # A conftest is imported before the settings are loaded.
    from django.test import Client

    from inference.models import Endpoint


@pytest.fixture
def browser(client: "Client", flow: "Endpoint") -> "Client":
    """It is logged in as `root`; `flow` is there."""
    from django.contrib.auth.models import User

    client.force_login(User.objects.create_superuser("root"))
    return client
