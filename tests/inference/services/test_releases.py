"""Deploying artifacts/: all or nothing, as often as one likes, and never at a live version's expense."""

import shutil

import pytest

from inference.engine.errors import ArtifactCorrupted, ArtifactMissing, DefinitionInvalid
from inference.errors import ReleaseInvalid, VersionConflict
from inference.models import Deployment, Endpoint, Role, Version
from inference.selectors import version_get
from inference.services import release_deploy, version_deploy
from inference.services.releases import FIRST_REASON
from tests.inference import tiny

pytestmark = pytest.mark.django_db


@pytest.fixture
def release(artifacts, store):
    return lambda: release_deploy(artifacts=artifacts, into=store, actor="test")


def test_the_first_deployment_registers_publishes_and_crowns(artifacts, store, release):
    (released,) = release()
    assert (released.slug, released.published, released.champion) == ("flow", ("line-1.0.0",), "line-1.0.0")
    assert released.crowned
    version = Version.objects.get()
    assert version.digest == tiny.digest_of(artifacts / "flow" / "line" / "1.0.0")
    assert store.path(version.digest).is_dir()
    assert (version.tag, version.origin, version.manifest["metrics"]) == ("line-1.0.0", "git", {"r2": 0.5})
    deployment = Deployment.objects.get()
    assert (deployment.role, deployment.actor, deployment.reason) == (Role.CHAMPION, "test", FIRST_REASON)


def test_deploying_again_changes_nothing(release):
    release()
    before = list(Endpoint.objects.values()), list(Version.objects.values()), list(Deployment.objects.values())
    (released,) = release()
    assert (released.published, released.champion, released.crowned) == ((), "line-1.0.0", False)
    assert before == (
        list(Endpoint.objects.values()),
        list(Version.objects.values()),
        list(Deployment.objects.values()),
    )


def test_a_newer_version_is_published_and_does_not_replace_the_champion(artifacts, release):
    release()
    tiny.write_version(artifacts / "flow", number="1.1.0", slope=2)
    (released,) = release()
    assert (released.published, released.champion, released.crowned) == (("line-1.1.0",), "line-1.0.0", False)


def test_the_named_algorithm_begins_with_its_highest_version(artifacts, release):
    tiny.write_endpoint(artifacts, champion="zeta")
    for number in ("1.2.0", "1.10.0"):
        tiny.write_version(artifacts / "flow", "zeta", number)
    assert release()[0].champion == "zeta-1.10.0"


def test_without_a_named_algorithm_the_first_by_name_begins(artifacts, release):
    tiny.write_version(artifacts / "flow", "zeta", "9.0.0")
    assert release()[0].champion == "line-1.0.0"


def test_a_named_algorithm_without_versions_stops_everything(artifacts, release):
    tiny.write_endpoint(artifacts, champion="zeta")
    with pytest.raises(ReleaseInvalid, match="zeta"):
        release()
    assert not Endpoint.objects.exists()


def test_an_endpoint_without_versions_waits_for_its_first(artifacts, release):
    tiny.write_endpoint(artifacts, "leak", slug="leak")
    assert [one.champion for one in release()] == ["line-1.0.0", None]


def test_a_known_tag_with_another_digest_stops_everything(artifacts, release):
    release()
    tiny.change_slope(artifacts / "flow" / "line" / "1.0.0", 3)
    tiny.write_endpoint(artifacts, "zebra", slug="zebra")
    with pytest.raises(VersionConflict, match=r"flow/line-1\.0\.0 is deployed with digest sha256:"):
        release()
    assert not Endpoint.objects.filter(slug="zebra").exists()


def test_one_bad_version_stops_everything_by_name(artifacts, release):
    other = tiny.write_version(tiny.write_endpoint(artifacts, "zebra", slug="zebra"), slug="zebra")
    (other / "model.onnx").write_bytes(b"x" * (other / "model.onnx").stat().st_size)
    with pytest.raises(ArtifactCorrupted, match=r"zebra/line-1\.0\.0/model\.onnx"):
        release()
    assert not Endpoint.objects.exists()


def test_a_version_folder_without_a_manifest_is_no_empty_folder(artifacts, release):
    (artifacts / "flow" / "line" / "1.0.0" / "manifest.json").unlink()
    with pytest.raises(ArtifactMissing, match=r"1\.0\.0"):
        release()


def test_a_known_version_with_a_changed_file_stops_everything(artifacts, release):
    release()
    (artifacts / "flow" / "line" / "1.0.0" / "model.joblib").write_bytes(b"changed")
    with pytest.raises(ArtifactCorrupted, match=r"model\.joblib"):
        release()


def test_a_folder_that_is_not_named_after_its_version_is_refused(artifacts, release):
    line = artifacts / "flow" / "line"
    shutil.move(line / "1.0.0", line / "1.0.1")
    with pytest.raises(ReleaseInvalid, match=r"line/1\.0\.1 ?: ?holds line-1\.0\.0"):
        release()


def test_a_version_of_another_endpoint_is_refused(artifacts, release):
    shutil.copytree(artifacts / "flow" / "line", tiny.write_endpoint(artifacts, "leak", slug="leak") / "line")
    with pytest.raises(ReleaseInvalid, match="made for endpoint 'flow'"):
        release()


def test_two_endpoints_with_one_slug_are_refused(artifacts, release):
    tiny.write_endpoint(artifacts, "again", slug="flow")
    with pytest.raises(ReleaseInvalid, match="two endpoints"):
        release()


def test_an_unusable_endpoint_toml_is_named(artifacts, release):
    (artifacts / "flow" / "endpoint.toml").write_text("slug = 3")
    with pytest.raises(DefinitionInvalid, match=r"flow/endpoint\.toml"):
        release()


def test_an_empty_folder_is_no_release(tmp_path, store):
    with pytest.raises(ReleaseInvalid, match="no endpoint"):
        release_deploy(artifacts=tmp_path, into=store, actor="test")


def test_a_new_description_is_taken_over(artifacts, release):
    release()
    toml = artifacts / "flow" / "endpoint.toml"
    toml.write_text('description = "How much flows?"\n' + toml.read_text().replace('"strict"', '"fast"'))
    release()
    endpoint = Endpoint.objects.get()
    assert (endpoint.description, endpoint.audit) == ("How much flows?", "fast")


def test_promotion_in_git_is_for_the_beginning_and_people_decide_it_later(artifacts, release):
    toml = artifacts / "flow" / "endpoint.toml"
    toml.write_text('promotion = "register"\n' + toml.read_text())
    release()
    assert Endpoint.objects.get().promotion == "register"
    Endpoint.objects.update(promotion="deploy")
    release()
    assert Endpoint.objects.get().promotion == "deploy"


def test_other_inputs_wait_while_a_champion_answers(artifacts, store, release):
    release()
    tiny.write_endpoint(artifacts, names="abc")
    tiny.write_version(artifacts / "flow", number="2.0.0", names="abc")
    (released,) = release()
    assert (released.champion, released.waiting) == ("line-1.0.0", ("line-2.0.0",))
    endpoint = Endpoint.objects.get()
    assert endpoint.signature == tiny.signature("ab").to_dict()
    version = version_get(endpoint=endpoint, tag="line-2.0.0")
    version_deploy(endpoint=endpoint, version=version, actor="test", reason="three inputs", major=True)
    assert release()[0].waiting == ("line-1.0.0",)


def test_other_inputs_under_the_same_major_are_refused(artifacts, release):
    release()
    tiny.write_version(artifacts / "flow", number="1.1.0", names="abc")
    with pytest.raises(ReleaseInvalid, match="another MAJOR"):
        release()


def test_a_patch_in_git_is_known_to_come_from_retraining(artifacts, release):
    tiny.write_version(artifacts / "flow", number="1.0.1")
    release()
    assert Version.objects.get(patch=1).origin == Version.Origin.RETRAINING


def test_a_retired_endpoint_gets_no_champion(artifacts, release):
    Endpoint.objects.create(
        slug="flow", name="Flow", folder="flow", signature={}, signature_digest="-", retired_at="2026-01-01T00:00Z"
    )
    assert release()[0].champion is None


def test_a_lost_store_is_filled_again(artifacts, store, release):
    release()
    shutil.rmtree(store.root)
    release()
    assert store.path(Version.objects.get().digest).is_dir()
