"""The Live page in a real browser, on a real server."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect
from websockets.sync.client import ClientConnection, connect

from tests.e2e.conftest import MOST_MS, READING, Visit
from tests.faults.stack import Stack

pytestmark = pytest.mark.timeout(300)
expect.set_options(timeout=MOST_MS)


@pytest.fixture
def live(visit: Visit) -> Visit:
    """The Live page of somebody who has just logged in."""
    visit.open("/")
    visit.log_in("vera")
    expect(state(visit)).to_have_text("Live")
    return visit


def state(visit: Visit) -> Locator:
    """What the page says of its connection."""
    return visit.page.get_by_role("status")


def shuttle(visit: Visit) -> Locator:
    """The card of the endpoint that is asked here."""
    return visit.page.get_by_role("region", name="Shuttle fault", exact=True)


def figure(card: Locator, name: str) -> Locator:
    """One of the figures of a card."""
    return card.locator("dl > div", has_text=name).locator("dd")


@contextmanager
def device(stack: Stack) -> Iterator[ClientConnection]:
    """A device's open socket, past its hello."""
    address = f"ws://{stack.host}:{stack.port}/ws/v1/endpoints/shuttle-fault/stream"
    with connect(address, additional_headers={"Authorization": f"Bearer {stack.token}"}) as stream:
        stream.recv()
        yield stream


def predicted(stream: ClientConnection) -> str:
    """Send a reading; the id of its prediction."""
    stream.send(json.dumps(READING))
    return json.loads(stream.recv())["id"]


def violations(visit: Visit) -> list[str]:
    """What axe finds wrong on the page as it is shown now."""
    found = Axe().run(visit.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


def test_who_gives_a_wrong_password_is_told_so_and_then_let_in(visit):
    visit.open("/")
    visit.log_in("vera", "a guess")
    expect(visit.page.get_by_text("correct username and password")).to_be_visible()
    visit.log_in("vera")
    expect(visit.page).to_have_url(f"{visit.address}/")
    expect(state(visit)).to_have_text("Live")


def test_the_page_follows_a_stream(live, stack):
    card = shuttle(live)
    expect(card).to_contain_text("Nothing was asked in the last minute")
    with device(stack) as stream:
        expect(figure(card, "Open sockets")).to_have_text("1")
        for _ in range(3):
            newest = predicted(stream)
        expect(card.locator(f'tr[data-id="{newest}"]')).to_contain_text(re.compile(r"fault 0\.\d{3}.*ms.*probe"))
        expect(figure(card, "Predictions a second")).not_to_have_text("0.0")
        expect(figure(card, "Latency p50")).to_contain_text("ms")
        expect(figure(card, "Latency p99")).to_contain_text("ms")
        expect(card.get_by_role("img", name="fault 100 %")).to_be_visible()
        expect(card).to_contain_text(f"answered by {stack.champion()}")
        for link in ("Shuttle fault", stack.champion(), "probe"):
            address = card.get_by_role("link", name=link, exact=True).first.get_attribute("href")
            assert live.page.request.get(live.address + address).status == 200
        stream.send('{"features":{}}')
        expect(card.get_by_role("listitem").filter(has_text="missing_feature")).to_have_text("missing_feature 1")
        expect(figure(card, "Readings refused")).to_have_text("1")
    expect(figure(card, "Open sockets")).to_have_text("0")
    card.locator(f'tr[data-id="{newest}"] td:first-child a').click()
    expect(live.page).to_have_url(re.compile(newest))


def test_rest_is_counted_with_streams(live, stack):
    asked = stack.post("/api/v1/endpoints/shuttle-fault/predict", READING).body["predictions"][0]["id"]
    expect(shuttle(live).locator(f'tr[data-id="{asked}"]')).to_contain_text("REST")


def test_an_endpoint_that_nobody_asks_says_what_to_do(live):
    card = live.page.get_by_role("region", name="Water flow", exact=True)
    expect(card).to_contain_text(f"curl {live.address}/api/v1/endpoints/water-flow/")
    expect(card.locator("canvas")).to_be_hidden()


def test_the_page_survives_a_restart_of_the_server(live, stack):
    live.page.evaluate("window.loadedOnce = true")
    # What is cut short would stand in the console as well: a font, say.
    live.page.wait_for_load_state("networkidle")
    stack.web_kill()
    expect(state(live)).to_contain_text("No connection to the server. What you see is from")
    expect(live.page.get_by_role("button", name="Try now")).to_be_visible()
    stack.heal()
    live.page.get_by_role("button", name="Try now").click()
    expect(state(live)).to_have_text("Live")
    with device(stack) as stream:
        expect(shuttle(live).locator(f'tr[data-id="{predicted(stream)}"]')).to_be_visible()
    assert live.page.evaluate("window.loadedOnce") is True
    # A browser writes every connection that is refused to its console.
    live.problems[:] = [one for one in live.problems if "ERR_CONNECTION" not in one]


def test_the_page_comes_back_by_itself(live, stack):
    live.page.wait_for_load_state("networkidle")
    stack.web_stop()
    expect(state(live)).to_contain_text("Trying again in")
    assert violations(live) == []
    stack.heal()
    expect(state(live)).to_have_text("Live", timeout=40_000)
    live.problems[:] = [one for one in live.problems if "ERR_CONNECTION" not in one]


def test_without_redis_the_page_says_so(live, stack):
    stack.valkey.stop()
    expect(state(live)).to_contain_text("does Redis run?")
    stack.valkey.start()
    expect(state(live)).to_have_text("Live")


def test_who_logs_out_in_another_window_is_told(live):
    other = live.page.context.new_page()
    other.goto(live.address)
    other.evaluate("document.querySelector('form[action=\"/logout/\"]').submit()")
    expect(state(live)).to_contain_text("You are logged out")
    other.close()


def test_the_page_is_worked_by_keyboard(live, stack):
    with device(stack) as stream:
        link = shuttle(live).locator(f'tr[data-id="{predicted(stream)}"] td:first-child a')
        link.focus()
        newest = predicted(stream)
        expect(shuttle(live).locator(f'tr[data-id="{newest}"]')).to_be_visible()
        expect(link).to_be_focused()
        pause = live.page.get_by_role("button", name="Pause")
        pause.focus()
        live.page.keyboard.press("Enter")
        expect(state(live)).to_contain_text("Paused")
        held = predicted(stream)
        live.page.wait_for_timeout(2500)
        expect(shuttle(live).locator(f'tr[data-id="{held}"]')).to_have_count(0)
        live.page.keyboard.press("Enter")
        expect(shuttle(live).locator(f'tr[data-id="{held}"]')).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_accessible_at_every_width(live, stack, theme, width):
    with device(stack) as stream:
        predicted(stream)
        stream.send('{"features":{}}')
        expect(shuttle(live).get_by_role("listitem").first).to_be_visible()
        live.page.set_viewport_size({"width": width, "height": 844})
        live.page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", theme == "dark")
        live.page.wait_for_timeout(1500)
        assert live.page.evaluate("document.documentElement.scrollWidth") <= width
        table = shuttle(live).locator("table").locator("..")
        assert table.evaluate("one => one.scrollWidth <= one.clientWidth"), "the last predictions fit in"
        assert violations(live) == []


def test_the_login_is_accessible(visit):
    visit.open("/")
    assert violations(visit) == []
