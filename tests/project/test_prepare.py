"""What `up` needs in the database and the state folder before it serves."""

import pytest
from django.contrib.auth import authenticate
from django.utils import timezone

from inference.models import Credential, Deployment, Device, Endpoint, Role, Version
from project.env import Environment
from project.management.commands import prepare

SIGNATURE = {
    "inputs": [
        {"name": "flow", "dtype": "float", "min": 0, "max": 10},
        {"name": "starts", "dtype": "int"},
        {"name": "fuel", "dtype": "string", "categories": ["gas", "oil"]},
    ],
    "output": {"kind": "regression"},
}
REFERENCE = {
    "flow": {"mean": 12.34567},
    "starts": {"mean": 41.7},
    "fuel": {"categories": {"gas": 2, "oil": 5}},
}


@pytest.fixture
def environment(settings):
    """Gives the settings another environment: `environment(admin_password=…)`."""

    def give(**values: object) -> None:
        fields = {name: getattr(settings.ENVIRONMENT, name) for name in Environment.__slots__}
        settings.ENVIRONMENT = Environment(**fields | values)

    return give


@pytest.fixture
def home(settings, tmp_path):
    settings.FORETELL_HOME = tmp_path
    settings.STATIC_ROOT = tmp_path / "static"
    return tmp_path


def live(slug: str) -> None:
    """An endpoint with a champion, as the registry holds it."""
    endpoint = Endpoint.objects.create(slug=slug, name=slug, folder=slug, signature=SIGNATURE, signature_digest=slug)
    version = Version.objects.create(
        endpoint=endpoint,
        algorithm="a",
        major=1,
        minor=0,
        patch=0,
        digest=slug,
        signature_digest=slug,
        manifest={"signature": SIGNATURE, "reference": REFERENCE},
    )
    Deployment.objects.create(
        endpoint=endpoint, version=version, role=Role.CHAMPION, started_at=timezone.now(), actor="t", reason="t"
    )


def test_static_files_are_collected_once_until_one_changes(home, settings):
    own = home / "own"
    own.mkdir()
    (own / "style.css").write_text("a {}")
    settings.STATICFILES_DIRS = [own]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    assert prepare.static_files_collect()
    assert (home / "static" / "style.css").read_text() == "a {}"
    assert not prepare.static_files_collect()
    (own / "style.css").write_text("a { color: red }")
    assert prepare.static_files_collect()
    assert (home / "static" / "style.css").read_text() == "a { color: red }"


@pytest.mark.django_db
def test_the_admin_gets_a_password_that_is_kept(home, environment):
    environment(admin_password=None)
    password = prepare.admin_ensure()
    assert len(password) == 16
    assert authenticate(username="admin", password=password).is_superuser
    assert prepare.admin_ensure() == password


@pytest.mark.django_db
def test_a_given_password_is_the_admins_from_now_on(home, environment):
    environment(admin_password=None)
    prepare.admin_ensure()
    environment(admin_password="from the environment")
    assert prepare.admin_ensure() == "from the environment"
    assert authenticate(username="admin", password="from the environment")


@pytest.mark.django_db
def test_a_password_that_the_admin_has_changed_stays(home, environment):
    environment(admin_password=None)
    user = authenticate(username="admin", password=prepare.admin_ensure())
    user.set_password("their own")
    user.save()
    assert prepare.admin_ensure() is None
    assert authenticate(username="admin", password="their own")


@pytest.mark.django_db
def test_a_devices_credential_is_another_at_each_start_and_the_old_one_is_revoked():
    first, second = prepare.device_token("visitor"), prepare.device_token("visitor")
    assert first != second
    device = Device.objects.get(name="visitor")
    assert list(Credential.objects.filter(device=device, revoked_at=None).values_list("prefix", flat=True)) == [
        second.split("_")[1]
    ]


@pytest.mark.django_db
def test_the_example_is_a_typical_reading_of_the_preferred_endpoint():
    live("another")
    assert prepare.example()["endpoint"] == "another"
    live("shuttle-fault")
    assert prepare.example() == {
        "endpoint": "shuttle-fault",
        "features": {"flow": 10.0, "starts": 42, "fuel": "oil"},
    }


@pytest.mark.django_db
def test_there_is_no_example_when_nothing_is_live():
    live("retired")
    Endpoint.objects.update(retired_at=timezone.now())
    assert prepare.example() is None
