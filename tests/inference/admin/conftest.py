"""An administrator's browser, and rows of every kind to look at."""

import datetime
from typing import TYPE_CHECKING

import pytest

from inference import ids
from tests.inference import tiny

if TYPE_CHECKING:
    # A conftest is imported before the settings are loaded.
    from django.test import Client

    from inference.models import Endpoint, Prediction


@pytest.fixture
def flow(tmp_path, db) -> "Endpoint":
    """The endpoint `flow`, deployed: `line-1.0.0` answers."""
    from inference.engine.store import FolderStore
    from inference.models import Endpoint
    from inference.services import release_deploy

    tiny.write_version(tiny.write_endpoint(tmp_path / "artifacts"))
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(tmp_path / "store"), actor="test")
    return Endpoint.objects.get()


@pytest.fixture
def predict(flow):
    """Store a prediction, as if made some time ago."""
    from inference.models import Prediction, Source

    def predict(*, ago: datetime.timedelta = datetime.timedelta(), **said) -> "Prediction":
        moment = datetime.datetime.now(datetime.UTC) - ago
        id_ = ids.prediction_id() if not ago else str(ids.floor(moment))
        stored = {
            "version": flow.versions.order_by("pk").first(),
            "source": Source.REST,
            "request_id": ids.prediction_id(),
            "features": [1.5, 2.25],
            "output": {"value": 3.75},
        }
        return Prediction.objects.create(id=id_, endpoint=flow, **stored | said)

    return predict


@pytest.fixture
def browser(client: "Client", admin_user) -> "Client":
    """A browser whose user may do everything."""
    client.force_login(admin_user)
    return client
