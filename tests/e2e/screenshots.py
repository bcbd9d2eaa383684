"""`make screenshots`: the pictures of the documentation, taken from the running product.

It runs `manage.py up` in a folder of its own, lets the simulated devices send for a while, and looks at the pages.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.conftest import PROGRAMS
from tests.faults.stack import ROOT
from tests.ports import free_port

IMAGES = ROOT / "docs" / "images"
PASSWORD = "shown-to-nobody"
FILLED_MS = 65_000
"""The charts of the Live page show the last minute."""
RUN_MS = 180_000
"""How long a training run may take on a slow machine."""
OPEN = "document.querySelectorAll('details').forEach((form) => (form.open = true))"
PAGES = {
    "endpoint": "/endpoints/shuttle-fault/",
    "versions": "/endpoints/shuttle-fault/versions/",
    "try": "/endpoints/shuttle-fault/try/",
}


def main() -> None:
    """Start everything, take the pictures, end everything."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        sys.exit("Chromium is not installed. On Debian: apt-get install chromium fonts-liberation")
    home = Path(tempfile.mkdtemp(prefix="ft-"))
    home.chmod(0o711)  # run as root, the servers run as `nobody`
    port = free_port()
    environment = {**os.environ, "FORETELL_HOME": str(home), "PORT": str(port), "ADMIN_PASSWORD": PASSWORD}
    up = subprocess.Popen(
        [sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert up.stdout is not None
        if not any("is ready" in line for line in up.stdout):
            sys.exit("`up` ended before it was ready.")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
            _take(browser, f"http://127.0.0.1:{port}")
    finally:
        up.send_signal(signal.SIGTERM)
        up.communicate(timeout=60)
        shutil.rmtree(home, ignore_errors=True)


def _take(browser: Browser, address: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    page = _logged_in(browser, address, width=1280, height=900)
    page.wait_for_timeout(FILLED_MS)
    page.screenshot(path=IMAGES / "live.png")
    for name, path in PAGES.items():
        page.goto(address + path)
        page.screenshot(path=IMAGES / f"{name}.png")
    _take_jobs(page, address)
    dark = _logged_in(browser, address, width=1280, height=900, color_scheme="dark")
    phone = _logged_in(browser, address, width=390, height=844)
    phone.wait_for_timeout(FILLED_MS)
    dark.screenshot(path=IMAGES / "live-dark.png")
    phone.screenshot(path=IMAGES / "live-phone.png")


def _take_jobs(page: Page, address: str) -> None:
    """A batch job and a training run, asked for on their pages, when they are done."""
    page.goto(f"{address}/jobs/")
    example = page.request.get(f"{address}/jobs/examples/shuttle-fault.csv").text().splitlines()
    rows = "\n".join([example[0], *example[1:] * 50_000, example[1].replace(".", "x"), ""])
    page.evaluate(OPEN)
    page.set_input_files("#upload-file", {"name": "readings.csv", "mimeType": "text/csv", "buffer": rows.encode()})
    page.click("#upload [type=submit]")
    page.get_by_text("50,001 rows.").wait_for(timeout=RUN_MS)
    page.get_by_role("heading", name="Rows without an answer").wait_for()
    page.screenshot(path=IMAGES / "job.png")
    page.goto(f"{address}/trainings/")
    page.evaluate(OPEN)
    page.select_option("#train-algorithm", "shuttle-fault/random_forest")
    page.fill("#train-reason", "The sensors were calibrated.")
    page.click("#train [type=submit]")
    page.locator("#approve").wait_for(timeout=RUN_MS)
    page.get_by_role("heading", name="The gate").scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    page.screenshot(path=IMAGES / "training.png")


def _logged_in(browser: Browser, address: str, *, width: int, height: int, color_scheme: str = "light") -> Page:
    """A window of the admin's on the Live page."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=color_scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address)
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_load_state()
    return page


if __name__ == "__main__":
    main()
