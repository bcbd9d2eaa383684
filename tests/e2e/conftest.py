"""A real browser on a real server. Where no Chromium is installed, the tests that need it are skipped."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright

from tests.bench.readings import NAMES
from tests.faults.people import PASSWORD, account
from tests.faults.stack import Stack

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
MOST_MS = 20_000
READING = {"features": dict(zip(NAMES, (50, 21, 77, 0, 28, 0, 27, 48, 22), strict=True))}


@dataclass
class Visit:
    """One person's browser window, and what went wrong in it."""

    page: Page
    address: str
    problems: list[str] = field(default_factory=list)
    """Errors of scripts and of the console."""
    strangers: list[str] = field(default_factory=list)
    """Requests that would have left the server. They are cut off."""

    def log_in(self, name: str, password: str = PASSWORD) -> None:
        """Log in at whatever page asks for it."""
        self.page.fill("[name=username]", name)
        self.page.fill("[name=password]", password)
        self.page.click("[type=submit]")
        self.page.wait_for_load_state()

    def open(self, path: str) -> None:
        """Open a page of the server."""
        self.page.goto(self.address + path)

    def heard(self, message: ConsoleMessage) -> None:
        """Keep an error that the console shows."""
        if message.type == "error":
            self.problems.append(message.text)

    def routed(self, route: Route) -> None:
        """Let only what is asked of the server pass."""
        if urlsplit(route.request.url).netloc == urlsplit(self.address).netloc:
            route.continue_()
        else:
            self.strangers.append(route.request.url)
            route.abort()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The installed Chromium. Of a module, since playwright's event loop would be in the way of async tests."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("Chromium is not installed. On Debian: apt-get install chromium fonts-liberation")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def stack(chromium: Browser) -> Iterator[Stack]:
    """A server with the endpoints of git, a device's credential and a viewer, `vera`."""
    stack = Stack()
    try:
        stack.manage("collectstatic", "--noinput", "--verbosity", "0")
        stack.start()
        account(stack, "vera", "viewer")
        yield stack
    finally:
        stack.close()


@pytest.fixture
def visit(chromium: Browser, stack: Stack) -> Iterator[Visit]:
    """A new window without cookies. Afterwards nothing must have gone wrong in it, and nothing left the server."""
    stack.heal()
    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        context.set_default_timeout(MOST_MS)
        visit = Visit(context.new_page(), f"http://{stack.host}:{stack.port}")
        visit.page.on("console", visit.heard)
        visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
        context.route("**/*", visit.routed)
        yield visit
        assert visit.problems == []
        assert visit.strangers == []
