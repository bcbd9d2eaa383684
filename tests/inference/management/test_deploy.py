"""`manage.py deploy`: brings artifacts/ in, switches what is live, and says what is wrong in one line."""

import pytest
from django.core.management.base import CommandError

from inference.models import Deployment, Endpoint, Version
from tests.inference import tiny


def test_it_says_what_is_new_and_what_answers(run):
    assert run("deploy") == ["flow: line-1.0.0; line-1.0.0 answers from now on"]
    assert run("deploy") == ["flow: nothing new; line-1.0.0 answers"]


def test_another_folder_can_be_named(run, tmp_path):
    tiny.write_version(tiny.write_endpoint(tmp_path / "mine", slug="mine"), slug="mine")
    run("deploy", "--artifacts", str(tmp_path / "mine"))
    assert list(Endpoint.objects.values_list("slug", flat=True)) == ["mine"]


def test_a_version_is_made_live_and_rolled_back(run, artifacts):
    tiny.write_version(artifacts / "flow", number="1.1.0", slope=2)
    run("deploy")
    for tag, reason in (("line-1.0.0", "start low"), ("line-1.1.0", "better"), ("line-1.0.0", "it was not")):
        (said,) = run("deploy", "--endpoint", "flow", "--version", tag, "--reason", reason)
        assert said.startswith(f"flow: {tag} answers since ")
    history = Deployment.objects.order_by("id").values_list("version__minor", "reason")
    assert list(history)[1:] == [(0, "start low"), (1, "better"), (0, "it was not")]
    assert Deployment.objects.last().actor.startswith("command:deploy")


def test_other_inputs_go_live_by_major_only(run, artifacts):
    run("deploy")
    tiny.write_endpoint(artifacts, names="abc")
    tiny.write_version(artifacts / "flow", number="2.0.0", names="abc")
    assert "live by --major only: line-2.0.0" in run("deploy")[0]
    switch = ("deploy", "--endpoint", "flow", "--version", "line-2.0.0", "--reason", "more")
    with pytest.raises(CommandError, match="--major"):
        run(*switch)
    assert "line-2.0.0 answers" in run(*switch, "--major")[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--endpoint", "flow"], "--endpoint, --version and --reason"),
        (["--endpoint", "leak", "--version", "line-1.0.0", "--reason", "x"], "no endpoint 'leak'"),
        (["--endpoint", "flow", "--version", "line-9.0.0", "--reason", "x"], r"no version 'line-9\.0\.0'"),
        (["--endpoint", "flow", "--version", "../../etc", "--reason", "x"], "no version"),
        (["--artifacts", "/nonexistent"], "holds no endpoint"),
    ],
)
def test_a_mistake_is_one_line(run, words, said):
    run("deploy")
    with pytest.raises(CommandError, match=said) as refused:
        run("deploy", *words)
    assert "\n" not in str(refused.value)


def test_a_tampered_version_does_not_go_live(run, artifacts, settings):
    tiny.write_version(artifacts / "flow", number="1.1.0", slope=2)
    run("deploy")
    version = Version.objects.get(minor=0)
    model = settings.STORE_DIR / "sha256" / version.digest.removeprefix("sha256:") / "model.onnx"
    model.chmod(0o600)
    model.write_bytes(b"tampered")
    with pytest.raises(CommandError, match=r"model\.onnx: has 8 bytes"):
        run("deploy", "--endpoint", "flow", "--version", "line-1.0.0", "--reason", "x")
    assert Deployment.objects.count() == 1


def test_a_changed_version_stops_it_by_name(run, artifacts):
    run("deploy")
    tiny.change_slope(artifacts / "flow" / "line" / "1.0.0", 9)
    with pytest.raises(CommandError, match=r"flow/line-1\.0\.0 is deployed with digest"):
        run("deploy")
