"""The console in a real browser: try a prediction, deploy and roll back, and who may not."""

import subprocess
import sys

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from websockets.sync.client import connect

from tests.e2e.conftest import MOST_MS, READING, Visit
from tests.faults.people import account
from tests.faults.stack import Stack

pytestmark = pytest.mark.timeout(300)
expect.set_options(timeout=MOST_MS)

PAGE = "/endpoints/shuttle-fault/"


@pytest.fixture(scope="module", autouse=True)
def _dora(stack: Stack) -> None:
    """A data scientist."""
    account(stack, "dora", "data scientist")


@pytest.fixture
def dora(visit: Visit) -> Visit:
    """Her browser, on the endpoint's page, reached from the list."""
    visit.open("/inference/endpoint/")
    visit.log_in("dora")
    visit.page.get_by_role("link", name="shuttle-fault").click()
    expect(visit.page.get_by_role("heading", name="What it asks")).to_be_visible()
    return visit


def test_a_prediction_is_tried_and_its_record_holds(dora):
    page = dora.page
    page.get_by_role("link", name="Try it").click()
    page.get_by_role("button", name="Predict").click()
    answer = page.locator("#answer")
    expect(answer.get_by_role("heading")).to_contain_text("normal")
    expect(answer).to_contain_text("with the commit that stored it")
    expect(answer).to_be_focused()
    answer.get_by_role("link", name="Its record").click()
    expect(page.get_by_text("user dora")).to_be_visible()
    page.get_by_role("button", name="Re-compute now").click()
    expect(page.get_by_text("Bit-equal: random_forest-1.0.0 says normal")).to_be_visible()


def test_the_raw_stream_is_spoken_with_a_pasted_credential(dora, stack):
    page = dora.page
    page.get_by_role("link", name="Try it").click()
    expect(page.get_by_role("button", name="Make one")).to_have_count(0)
    page.get_by_label("Credential").fill(stack.token)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator("#stream-state")).to_have_text("Connected.")
    page.get_by_role("button", name="Send").click()
    lines = page.get_by_role("log").locator("li")
    expect(lines.nth(0)).to_contain_text('"type":"hello"')
    expect(lines.nth(2)).to_contain_text('"type":"prediction"')
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#stream-state")).to_have_text("Closed with 1000.")


def test_a_version_is_deployed_and_rolled_back_and_the_page_tells_who_and_why(dora):
    page = dora.page
    page.get_by_role("link", name="Versions", exact=True).first.click()
    page.goto(f"{dora.address}{PAGE}versions/")
    page.get_by_role("link", name="Deploy logistic_regression-1.0.0").click()
    page.get_by_label("Why?").fill("It is easier to explain.")
    page.get_by_role("button", name="Deploy logistic_regression-1.0.0").click()
    expect(page.get_by_role("heading", name="Live: logistic_regression-1.0.0")).to_be_visible()
    page.get_by_role("link", name="Roll back to random_forest-1.0.0").click()
    page.get_by_label("Why?").fill("It is worse.")
    page.get_by_role("button", name="Roll back to random_forest-1.0.0").click()
    expect(page.get_by_role("heading", name="Live: random_forest-1.0.0")).to_be_visible()
    dora.open(PAGE)
    history = page.get_by_role("listitem")
    expect(history.filter(has_text="It is worse.")).to_contain_text("by dora")
    expect(history.filter(has_text="It is easier to explain.")).to_contain_text("logistic_regression-1.0.0")


def test_the_lines_to_paste_get_a_prediction_as_they_stand(dora, stack):
    page = dora.page
    dora.open(f"{PAGE}connect/")
    page.get_by_role("link", name="Connect").wait_for()
    shell, python, javascript = (
        page.locator(f"#snippet-{name}").text_content().replace("ft_YOUR_CREDENTIAL", stack.token)
        for name in ("curl", "python", "javascript")
    )
    for words in (("bash", "-c", shell), (sys.executable, "-c", python)):
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
        assert '"label":"normal"' in done.stdout, done.stderr
    with page.expect_console_message(lambda message: "type: prediction" in message.text):
        page.add_script_tag(content=javascript)


def test_what_was_true_is_said_and_corrected_at_a_predictions_page(dora, stack):
    page = dora.page
    asked = stack.post("/api/v1/endpoints/shuttle-fault/predict", READING).body["predictions"][0]["id"]
    dora.open(f"/inference/prediction/{asked}/change/")
    for label, revision in (("normal", 1), ("fault", 2)):
        page.get_by_label("What turned out to be true?").select_option(label)
        page.get_by_role("button", name="Keep it").click()
        expect(page.get_by_text(f"user:dora, revision {revision}", exact=True)).to_be_visible()
    expect(page.get_by_text("user:dora, revision 1, corrected since")).to_be_visible()


def test_devices_tell_whether_they_are_connected(visit, stack):
    visit.open("/inference/device/?connected=1")
    visit.log_in("vera")
    page = visit.page
    expect(page.get_by_role("link", name="probe")).to_have_count(0)
    address = f"ws://{stack.host}:{stack.port}/ws/v1/endpoints/shuttle-fault/stream"
    with connect(address, additional_headers={"Authorization": f"Bearer {stack.token}"}) as stream:
        stream.recv()
        stack.wait_until(lambda: stack.sql("SELECT 1 FROM inference_presence"), "the socket is told of")
        page.reload()
        expect(page.get_by_text("1 socket")).to_be_visible()
        page.get_by_role("link", name="probe").click()
        expect(page.get_by_text("1 socket since")).to_be_visible()


def test_a_viewer_is_offered_neither_deploying_nor_trying(visit):
    visit.open(f"{PAGE}versions/")
    visit.log_in("vera")
    page = visit.page.locator(".ft-page")
    expect(page.get_by_role("heading", name="Versions side by side")).to_be_visible()
    for hidden in ("Deploy", "Roll back", "Try it"):
        expect(page.get_by_role("link", name=hidden)).to_have_count(0)


def test_the_menus_are_pressed_by_keyboard(dora):
    page = dora.page
    page.get_by_role("button", name="Your account: dora").focus()
    page.keyboard.press("Enter")
    expect(page.locator("nav").get_by_role("button", name="Light")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Change password")).to_be_focused()
    dora.open("/inference/prediction/")
    page.get_by_role("button", name="Filters").press("Enter")
    expect(page.locator("#changelist-filter :focus")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    live = page.locator("#nav-sidebar-inner a", has_text="Live")
    expect(live).to_be_hidden()
    page.get_by_role("button", name="Menu").press("Enter")
    expect(live).to_be_focused()


def violations(page: Page) -> list[str]:
    """What axe finds wrong on the page as it is shown now."""
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible_and_fit_a_phone(dora, stack, scheme):
    page = dora.page
    asked = stack.post("/api/v1/endpoints/shuttle-fault/predict", READING).body["predictions"][0]["id"]
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    for path in (
        PAGE,
        f"{PAGE}versions/",
        f"{PAGE}versions/random_forest-1.0.0/",
        f"{PAGE}versions/gradient_boosting-1.0.0/deploy/",
        f"{PAGE}try/",
        f"{PAGE}connect/",
        "/devices/probe/",
        f"/predictions/{asked}/feedback/",
        f"/inference/prediction/{asked}/change/",
    ):
        dora.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert violations(page) == [], path


@pytest.mark.parametrize("width", [1280, 390])
def test_lists_show_all_of_each_value_at_every_width(dora, stack, width):
    page = dora.page
    stack.post("/api/v1/endpoints/shuttle-fault/predict", READING)
    page.set_viewport_size({"width": width, "height": 844})
    for model in ("endpoint", "version", "deployment", "device", "prediction"):
        dora.open(f"/inference/{model}/")
        expect(page.locator("#result_list [data-label]").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, model
        cut_off = "cells => cells.filter(one => one.scrollHeight > one.clientHeight + 1).map(one => one.textContent)"
        assert page.locator("#result_list [data-label]").evaluate_all(cut_off) == [], model
        assert violations(page) == [], model
