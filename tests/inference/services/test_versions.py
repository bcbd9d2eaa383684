"""Versions: verified on demand, pulled byte for byte, and never changed."""

import pytest
from django.db import IntegrityError

from inference.engine.errors import ArtifactCorrupted, ArtifactError, ArtifactMissing, ManifestMismatch
from inference.errors import AlreadyExists
from inference.models import Endpoint, Version
from inference.services import version_pull, version_verify
from tests.inference import tiny

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(flow) -> Version:
    return Version.objects.get()


def test_a_pulled_version_is_the_same_byte_for_byte(version, artifacts, store, tmp_path):
    folder = version_pull(version=version, from_store=store, artifacts=tmp_path / "pulled")
    original = artifacts / "flow" / "line" / "1.0.0"
    assert folder == tmp_path / "pulled" / "flow" / "line" / "1.0.0"
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {f.name: f.read_bytes() for f in original.iterdir()}


def test_pulling_onto_itself_is_done_already(version, artifacts, store):
    folder = artifacts / "flow" / "line" / "1.0.0"
    assert version_pull(version=version, from_store=store, artifacts=artifacts) == folder
    assert sorted(path.name for path in folder.parent.iterdir()) == ["1.0.0"]


def test_pulling_over_other_files_is_refused(version, artifacts, store):
    tiny.change_slope(artifacts / "flow" / "line" / "1.0.0", 5)
    with pytest.raises(AlreadyExists, match="move it away"):
        version_pull(version=version, from_store=store, artifacts=artifacts)


def test_a_tampered_version_is_not_pulled(version, store, tmp_path):
    _tamper(store.path(version.digest) / "model.joblib")
    with pytest.raises(ArtifactCorrupted):
        version_pull(version=version, from_store=store, artifacts=tmp_path / "pulled")
    assert not list((tmp_path / "pulled").rglob("model.*"))


def test_a_sound_version_verifies(version, store):
    assert version_verify(version=version, in_store=store) is None


@pytest.mark.parametrize(("name", "expected"), [("model.onnx", ArtifactCorrupted), ("manifest.json", ManifestMismatch)])
def test_a_tampered_file_is_found_and_named(version, store, name, expected):
    _tamper(store.path(version.digest) / name)
    problem: ArtifactError = version_verify(version=version, in_store=store)
    assert isinstance(problem, expected)


def test_a_version_missing_from_the_store_is_found(version, store, tmp_path):
    store.path(version.digest).rename(tmp_path / "away")
    assert isinstance(version_verify(version=version, in_store=store), ArtifactMissing)


def test_the_database_refuses_to_change_a_version(version):
    with pytest.raises(IntegrityError, match="never changed: publish another version"):
        Version.objects.update(digest="sha256:0")


def test_the_database_refuses_to_delete_a_version(flow):
    with pytest.raises(IntegrityError, match="never deleted"):
        Version.objects.all()._raw_delete("default")


def test_the_database_refuses_to_delete_an_endpoint():
    """Its credentials' endpoints would go with it, and a credential without any may use all."""
    Endpoint.objects.create(slug="flow", name="Flow", folder="flow", signature={}, signature_digest="-")
    with pytest.raises(IntegrityError, match="retire it"):
        Endpoint.objects.all().delete()


def _tamper(path):
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
