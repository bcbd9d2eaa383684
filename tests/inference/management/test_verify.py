"""`manage.py verify` and `manage.py pull`: does a stored answer hold, and are the stored files what they were?"""

import pytest
from django.core.management.base import CommandError

from inference import ids
from inference.models import Endpoint, Prediction, Source, Version


@pytest.fixture
def store(run):
    """Store a prediction of `flow` with the output its version gives, or another one."""
    run("deploy")
    endpoint = Endpoint.objects.get()

    def store(**said):
        stored = {"features": [1.0, 2.0], "output": {"value": 3}}
        return Prediction.objects.create(
            id=ids.prediction_id(),
            endpoint=endpoint,
            version=endpoint.versions.get(),
            source=Source.REST,
            request_id=ids.prediction_id(),
            **stored | said,
        )

    return store


def test_the_same_bits_are_told(run, store):
    (said,) = run("verify", str(store().pk))
    assert said == 'bit-equal: flow/line-1.0.0 says {"value":3}'


def test_a_difference_within_tolerance_is_told(run, store):
    (said,) = run("verify", str(store(output={"value": 3.00001}).pk))
    assert said.startswith("equal within tolerance")


def test_a_different_answer_is_an_error_that_shows_both(run, store):
    with pytest.raises(CommandError, match=r'different: .*"value":3.*"value":4'):
        run("verify", str(store(output={"value": 4}).pk))


def test_a_failed_prediction_has_nothing_to_compare(run, store):
    with pytest.raises(CommandError, match="failed with `model_error`"):
        run("verify", str(store(output=None, error="model_error").pk))


@pytest.mark.parametrize("id_", ["0198c0de-0000-7000-8000-000000000000", "nonsense", "../x"])
def test_an_unknown_prediction_is_not_found(run, id_):
    with pytest.raises(CommandError, match="was not found"):
        run("verify", id_)


@pytest.mark.parametrize("words", [["verify"], ["verify", "--all"]])
def test_every_version_is_checked(run, words):
    run("deploy")
    assert run(*words) == ["flow/line-1.0.0  good"]


def test_a_tampered_version_is_named_and_deploying_restores_it(run, settings, capsys):
    run("deploy")
    model = settings.STORE_DIR / "sha256" / Version.objects.get().digest.removeprefix("sha256:") / "model.onnx"
    model.chmod(0o600)
    model.write_bytes(b"")
    with pytest.raises(CommandError, match="1 of 1 versions"):
        run("verify")
    assert "flow/line-1.0.0  artifact_corrupted: " in capsys.readouterr().out
    run("deploy")
    assert run("verify") == ["flow/line-1.0.0  good"]


def test_pull_writes_a_version_back_and_says_where(run, tmp_path):
    run("deploy")
    (place,) = run("pull", "flow", "line-1.0.0", "--artifacts", str(tmp_path / "pulled"))
    assert place == str(tmp_path / "pulled" / "flow" / "line" / "1.0.0")
    original = tmp_path / "artifacts" / "flow" / "line" / "1.0.0"
    for file in original.iterdir():
        assert (tmp_path / "pulled" / "flow" / "line" / "1.0.0" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(("endpoint", "tag"), [("leak", "line-1.0.0"), ("flow", "line-9.0.0"), ("flow", "../x")])
def test_pulling_what_is_not_there_is_one_line(run, endpoint, tag):
    run("deploy")
    with pytest.raises(CommandError, match=r"no (endpoint|version)"):
        run("pull", endpoint, tag)
