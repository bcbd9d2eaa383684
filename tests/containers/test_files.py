"""Dockerfile, docker-compose.yml, Caddyfile and .dockerignore, checked without Docker."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from tests.containers import composition, dockerfile
from tests.containers.composition import ROLES, SECRETS
from tests.containers.dockerfile import ROOT


def test_the_dockerfile_has_no_lint():
    program = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        pytest.skip("hadolint is not installed (it is in requirements-dev.txt)")
    done = subprocess.run([program, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_nobody_special_and_builds_nothing():
    *_, packages, image = dockerfile.stages()
    user = next(one.words for one in image if one.name == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    everything = " ".join(one.words for one in packages + image)
    assert "apt-get" not in everything
    assert "--require-hashes" in everything
    assert "--only-binary :all:" in everything


def test_the_image_has_the_versions_that_the_tests_have_whichever_its_python():
    pins = re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(.*)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    names = [name for name, rest in pins if "== 'PyPy'" not in rest]
    assert "numpy" in names
    assert len(names) == len(set(names))


def test_the_image_gets_the_sources_and_nothing_else():
    context = dockerfile.context()
    tops = {path.split("/")[0] for path in context}
    assert tops == {"requirements.txt", "manage.py", "artifacts", "inference", "jobs", "project", "streaming"}
    copied = [one.words.split() for stage in dockerfile.stages() for one in stage if one.name == "COPY"]
    sources = {words[0] for words in copied if not words[0].startswith("--from")}
    assert sources == tops
    for path in (
        ".env",
        ".git/config",
        "var/secret_key",
        "tests/conftest.py",
        "project/__pycache__/env.cpython-313.pyc",
    ):
        assert not dockerfile.passes(path), path


def test_compose_accepts_the_file():
    assert set(composition.services()) == {
        "postgres",
        "valkey",
        "release",
        "web",
        "worker",
        "trainer",
        "beat",
        "caddy",
    }


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "WEB_POSTGRES_PASSWORD", "VALKEY_PASSWORD", "SECRET_KEY"])
@pytest.mark.parametrize("value", [None, ""], ids=["absent", "empty"])
def test_compose_refuses_to_start_without_a_secret(name, value):
    given = {key: secret for key, secret in SECRETS.items() if key != name} | ({} if value is None else {name: value})
    done = composition.resolved(given)
    assert done.returncode != 0
    assert f"Set {name} in .env" in done.stderr


def test_the_roles_are_one_image_with_one_environment():
    services = composition.services()
    worker = services["worker"]
    for role in ROLES:
        service = services[role]
        assert (service["image"], service["volumes"]) == (worker["image"], worker["volumes"])
    own = {role: dict(services[role]["environment"].items() - worker["environment"].items()) for role in ROLES}
    web_database = f"postgresql://foretell_web:{SECRETS['WEB_POSTGRES_PASSWORD']}@postgres:5432/foretell"
    assert own == {
        "web": {"DATABASE_URL": web_database},
        "worker": {},
        "trainer": {},
        "beat": {},
        "release": {"ADMIN_PASSWORD": SECRETS["ADMIN_PASSWORD"], "WEB_DATABASE_URL": web_database},
    }


def test_what_the_roles_write_into_is_theirs_and_outlives_them():
    home = Path(settings.FORETELL_HOME)
    wanted = {
        f"/var/lib/foretell/{Path(folder).relative_to(home)}"
        for folder in (
            settings.STORE_DIR,
            settings.FILE_UPLOAD_TEMP_DIR,
            settings.STORAGES["uploads"]["OPTIONS"]["location"],
        )
    }
    *_, image = dockerfile.stages()
    made = next(one.words for one in image if "install -d" in one.words).partition("install -d")[2]
    assert set(re.findall(r"/var/lib/foretell/\S+", made)) == wanted
    web = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["web"]
    assert {volume.partition(":")[2] for volume in web["volumes"]} == wanted


def test_every_queue_has_a_worker():
    services = composition.services()
    queues = {
        word.removeprefix("--queues=")
        for name in ("worker", "trainer")
        for word in services[name]["command"]
        if word.startswith("--queues=")
    }
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} | {settings.CELERY_TASK_DEFAULT_QUEUE}
    assert {queue for one in queues for queue in one.split(",")} == routed


def test_web_and_worker_can_be_scaled():
    services = composition.services()
    assert not [name for name, service in services.items() if "container_name" in service]
    assert [name for name, service in services.items() if "ports" in service] == ["caddy"]


def test_what_is_started_first_is_healthy_first():
    services = composition.services()
    wanted = {
        "release": {"postgres": "service_healthy"},
        **{
            role: {"release": "service_completed_successfully", "valkey": "service_healthy"}
            for role in ("web", "worker", "trainer", "beat")
        },
        "caddy": {"web": "service_healthy"},
    }
    for name, needs in wanted.items():
        assert {one: said["condition"] for one, said in services[name]["depends_on"].items()} == needs
    # web's own is the image's.
    assert {name for name, service in services.items() if "healthcheck" not in service} == {"web"}


@pytest.mark.parametrize("name", [*ROLES, "caddy", "valkey", "postgres"])
def test_each_service_is_bounded_and_confined(name):
    service = composition.services()[name]
    for limit in ("mem_limit", "cpus", "pids_limit", "logging"):
        assert service.get(limit), limit
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name != "postgres":  # its image starts as root, hands its folder over and steps down
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_the_database_is_reached_by_the_roles_alone():
    said = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert said["networks"]["back"]["internal"] is True
    services = composition.services()
    networks = {name: set(service["networks"]) for name, service in services.items()}
    assert [name for name, joined in networks.items() if "front" in joined] == ["caddy", "web"]
    assert networks["caddy"] == {"front"}
    subnet = composition.services(FRONT_SUBNET="10.9.8.0/24")["web"]["environment"]["TRUSTED_PROXIES"]
    assert subnet == "10.9.8.0/24"


def test_no_secret_stands_in_the_files():
    for name in ("Dockerfile", "docker-compose.yml", "Caddyfile"):
        assert not re.search(r"(PASSWORD|SECRET_KEY): (?!\$\{)\S", (ROOT / name).read_text())


def test_caddy_accepts_its_file(tmp_path):
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("caddy is not installed (Debian and Ubuntu: apt-get install caddy)")
    done = subprocess.run(
        [program, "validate", "--config", "Caddyfile", "--adapter", "caddyfile"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "not formatted" not in done.stderr


def test_every_variable_is_documented():
    reader = (ROOT / "project" / "env.py").read_text()
    read = set(re.findall(r'(?:env, |env\.str\()"([A-Z_]+)"', reader))
    assert {"DATABASE_URL", "PORT", "TRUSTED_PROXIES"} <= read
    composed = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    page = (ROOT / "docs" / "operate.md").read_text()
    listed = {
        name for row in re.findall(r"^\| (`[A-Z_`, ]+`) \|", page, re.MULTILINE) for name in re.findall("[A-Z_]+", row)
    }
    assert read | composed <= listed
    assert listed - read - composed == set()


def test_a_role_is_given_no_variable_that_nothing_reads():
    read = set(re.findall(r'(?:env, |env\.str\()"([A-Z_]+)"', (ROOT / "project" / "env.py").read_text()))
    for role in ROLES:
        assert composition.services()[role]["environment"].keys() <= read
