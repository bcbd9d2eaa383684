"""`manage.py device` and `manage.py key`: the token alone on the last line, mistakes in one."""

import re

import pytest
from django.core.management.base import CommandError

from inference.models import Credential, Device

TOKEN = re.compile(r"ft_[a-z0-9]{8}_[A-Za-z0-9_-]{43}")


def test_creating_a_device_prints_its_credential_alone_on_the_last_line(run):
    run("deploy")
    lines = run("device", "create", "pump-7", "--endpoint", "flow")
    assert TOKEN.fullmatch(lines[-1])
    credential = Credential.objects.get()
    assert (credential.device.name, credential.scopes) == ("pump-7", ["predict"])
    assert [endpoint.slug for endpoint in credential.endpoints.all()] == ["flow"]


def test_rotating_prints_another_credential(run):
    first = run("device", "create", "pump-7")[-1]
    second = run("device", "rotate", "pump-7", "--overlap-s", "60")[-1]
    assert TOKEN.fullmatch(second)
    assert first != second
    assert Credential.objects.filter(expires_at=None, revoked_at=None).count() == 1


def test_a_device_is_disabled_enabled_and_listed(run):
    run("device", "create", "pump-7")
    assert "disabled" in run("device", "disable", "pump-7")[0]
    assert Device.objects.get().disabled_at is not None
    assert run("device", "enable", "pump-7") == ["pump-7  enabled"]
    assert run("device", "list") == ["pump-7  enabled"]


def test_creating_a_key_prints_it_alone_on_the_last_line(run):
    run("deploy")
    words = ("--scope", "predict, read", "--endpoint", "flow", "--expires", "30d")
    assert TOKEN.fullmatch(run("key", "create", "report", *words)[-1])
    credential = Credential.objects.get()
    assert (credential.service, credential.scopes) == ("report", ["predict", "read"])
    assert credential.expires_at is not None


def test_a_key_may_predict_and_read_unless_said_otherwise(run):
    run("key", "create", "report")
    assert Credential.objects.get().scopes == ["predict", "read"]


@pytest.mark.parametrize("shown", ["{}", "ft_{}"])
def test_a_key_is_revoked_by_its_prefix(run, shown):
    token = run("key", "create", "report")[-1]
    (said,) = run("key", "revoke", shown.format(token[3:11]))
    assert "revoked" in said
    assert Credential.objects.get().revoked_at is not None


def test_a_rotated_key_has_the_same_rights_and_the_old_one_an_end(run):
    run("deploy")
    first = run("key", "create", "report", "--scope", "read", "--endpoint", "flow")[-1]
    *_, line, _, second = run("key", "rotate", first[3:11], "--overlap-s", "60")
    assert TOKEN.fullmatch(second)
    assert line == f"ft_{second[3:11]}_… of report  read  flow  good"
    states = [line.split("  ")[-1] for line in run("key", "list")]
    assert states[0] == "good"
    assert states[1].startswith("good until")


def test_a_rotated_key_gets_the_end_that_is_said(run):
    first = run("key", "create", "report", "--expires", "30d")[-1]
    assert run("key", "rotate", first[3:11], "--expires", "2090-01-31")[0].endswith("good until 2090-01-31 00:00 UTC")


def test_a_key_that_is_over_has_no_heir(run):
    token = run("key", "create", "report")[-1]
    run("key", "revoke", token[3:11])
    with pytest.raises(CommandError, match="is over, so it has no rights to hand on"):
        run("key", "rotate", token[3:11])
    assert Credential.objects.count() == 1


def test_a_credential_of_a_disabled_device_is_not_called_good(run):
    run("device", "create", "pump-7")
    for action, state in (("disable", "device disabled"), ("enable", "good")):
        run("device", action, "pump-7")
        assert run("key", "list")[0].endswith(f"  {state}")


def test_the_list_tells_rights_and_state_and_no_secret(run):
    run("deploy")
    tokens = [
        run("key", "create", "report", "--endpoint", "flow", "--expires", "2090-01-31")[-1],
        run("device", "create", "pump-7")[-1],
    ]
    lines = run("key", "list")
    assert any("report" in line and "flow" in line and "good until 2090-01-31" in line for line in lines)
    assert any("pump-7" in line and "all endpoints" in line and line.endswith("good") for line in lines)
    assert not any(token.split("_", 2)[2] in line for token in tokens for line in lines)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["device", "create", "Pump 7"], "Use 1 to 64 of"),
        (["device", "create", "pump-7", "--endpoint", "leak"], "no endpoint 'leak'"),
        (["device", "create", "pump-7", "--scope", "fly"], "'fly' is no scope"),
        (["device", "create", "known"], "device rotate known"),
        (["device", "rotate", "nobody"], "'nobody' was not found"),
        (["device", "disable", "nobody"], "'nobody' was not found"),
        (["device", "fly"], "invalid choice"),
        (["key", "create", ""], "a service with a name"),
        (["key", "create", "report", "--scope", ""], "Nothing is no scope"),
        (["key", "create", "report", "--expires", "soon"], "is no time"),
        (["key", "create", "report", "--expires", "2020-01-01"], "is over already"),
        (["key", "create", "report", "--expires", "2090-01-31T12:00"], "is no time"),
        (["key", "create", "report", "--expires", "2090-02-31"], "is no time"),
        (["key", "revoke", "nobody"], "was not found"),
        (["key", "rotate", "nobody"], "was not found"),
        (["key", "rotate", "nobody", "--overlap-s", "nan"], "is no overlap"),
        (["device", "rotate", "known", "--overlap-s", "inf"], "is no overlap"),
        (["device", "rotate", "known", "--overlap-s", "-1"], "is no overlap"),
    ],
)
def test_a_mistake_is_one_line_and_makes_nothing(run, words, said):
    run("device", "create", "known")
    with pytest.raises(CommandError, match=said) as refused:
        run(*words)
    assert "\n" not in str(refused.value)
    assert Credential.objects.count() == 1
