"""The pages of jobs in a real browser, on a real server with real workers."""

import csv
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.bench.readings import NAMES
from tests.e2e.conftest import MOST_MS, Visit
from tests.faults.people import account
from tests.faults.stack import Stack

pytestmark = pytest.mark.timeout(300)
expect.set_options(timeout=MOST_MS)

READING = (50, 21, 77, 0, 28, 0, 27, 48, 22)
ROWS = 80_000
BAD_ROW = 7
WORK_MS = 150_000
DONE_OF_THE_NEWEST = (
    "SELECT 1 FROM jobs_chunk WHERE state = 'done' AND job_id = (SELECT id FROM jobs_batchjob ORDER BY id DESC LIMIT 1)"
)
KEEP_VALUES = """() => {
    window.values = [];
    new MutationObserver(() => {
        const bar = document.querySelector("#jobs-renewed progress");
        if (bar?.hasAttribute("value")) window.values.push(bar.value);
    }).observe(document.getElementById("jobs"), { attributes: true, childList: true, subtree: true });
}"""


@pytest.fixture(scope="module", autouse=True)
def _dora(stack: Stack) -> None:
    """A data scientist."""
    account(stack, "dora", "data scientist")


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of readings, one of which can't be answered."""
    path = tmp_path_factory.mktemp("files") / "readings.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["serial", *NAMES])
        for row in range(1, ROWS + 1):
            writer.writerow([f"unit-{row}", *READING[:-1], "broken" if row == BAD_ROW else READING[-1]])
    return path


@pytest.fixture
def dora(visit: Visit) -> Visit:
    """Her browser, on the list of batch jobs."""
    visit.open("/jobs/")
    visit.log_in("dora")
    expect(status(visit)).to_have_text("Live")
    return visit


def status(visit: Visit) -> Locator:
    """What the page says of its connection."""
    return visit.page.locator("#jobs-state")


def said(visit: Visit) -> Locator:
    """How far the job of the page is."""
    return visit.page.locator("#jobs-renewed [data-part=said]")


def opened(page: Page, summary: str) -> None:
    """Open one of the forms, unless it is open."""
    form = page.locator("details", has_text=summary)
    if form.get_attribute("open") is None:
        form.locator("summary").click()


def upload(visit: Visit, file: Path, carried: str) -> None:
    """Fill in the form for files and send it."""
    opened(visit.page, "Predict a file")
    visit.page.get_by_label("File", exact=True).set_input_files(file)
    visit.page.get_by_label("Columns to carry along").fill(carried)
    visit.page.locator("#upload").get_by_role("button", name="Start").click()


def violations(page: Page) -> list[str]:
    """What axe finds wrong on the page as it is shown now."""
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


def test_a_file_is_uploaded_predicted_and_taken_home(dora, stack, readings):
    page = dora.page
    upload(dora, readings, "")
    expect(page.get_by_role("alert")).to_contain_text("`serial`")
    # A browser writes every answer that is an error to its console.
    dora.problems[:] = [one for one in dora.problems if "422" not in one]
    upload(dora, readings, "serial")
    expect(said(dora)).to_have_text("Waits for a worker.")
    expect(status(dora)).to_have_text("Live")
    page.evaluate(KEEP_VALUES)
    worker = stack.crew.worker()
    stack.wait_until(lambda: stack.sql(DONE_OF_THE_NEWEST), "a part of it is done")
    # A fast machine is through before the page is told again, which is once a second.
    worker.freeze()
    stack.wait_until(lambda: any(0 < value < ROWS for value in page.evaluate("window.values")), "the page shows it")
    worker.thaw()
    expect(said(dora)).to_have_text(f"{ROWS:,} rows.", timeout=WORK_MS)
    values = page.evaluate("window.values")
    assert values == sorted(values)
    row = page.get_by_role("region", name="Rows without an answer").get_by_role("row").nth(1)
    expect(row).to_have_text(re.compile(rf"{BAD_ROW}\s*wrong_type\s*`s9` expects"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename == f"readings-{stack.champion()}.csv"
    with Path(download.value.path()).open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert (len(lines), lines[-1]["serial"], lines[-1]["row"]) == (ROWS, f"unit-{ROWS}", str(ROWS))
    assert {line["status"] for line in lines} == {"ok", "error"}
    assert violations(page) == []
    page.get_by_role("link", name="Batch jobs").first.click()
    expect(page.get_by_role("row", name="readings.csv")).to_contain_text("Done")


def test_a_job_is_paused_and_cancelled_by_keyboard_after_a_question(dora, readings):
    page = dora.page
    upload(dora, readings, "serial")
    page.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")
    expect(said(dora)).to_have_text("Paused.")
    page.get_by_role("button", name="Go on").click()
    expect(said(dora)).to_have_text("Waits for a worker.")
    expect(status(dora)).to_have_text("Live")
    dialog = page.get_by_role("dialog")
    for answer, word in (("Escape", "Waits for a worker."), ("Enter", "Cancelled.")):
        page.get_by_role("button", name="Cancel", exact=True).focus()
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("It can't go on afterwards.")
        assert violations(page) == []
        if answer == "Enter":
            dialog.get_by_role("button", name="Cancel").focus()
        page.keyboard.press(answer)
        expect(dialog).to_be_hidden()
        expect(said(dora)).to_have_text(word)
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_have_count(0)


def test_a_list_follows_what_others_start(dora, readings):
    other = dora.page.context.new_page()
    other.goto(f"{dora.address}/jobs/")
    rows = other.get_by_role("region", name="Batch jobs").locator("tbody tr")
    expect(other.locator("#jobs-state")).to_have_text("Live")
    before = rows.count()
    upload(dora, readings, "serial")
    expect(rows).to_have_count(before + 1)
    dora.page.get_by_role("button", name="Pause").click()
    expect(rows.first).to_contain_text("Paused")
    other.close()


def test_a_list_does_not_ask_again_and_again_for_what_stands_on_another_page(dora, stack):
    page, made = dora.page, []
    copy = (
        "INSERT INTO jobs_batchjob SELECT (jsonb_populate_record(job, jsonb_build_object('id', gen_random_uuid(),"
        " 'slot', gen_random_uuid(), 'state', 'cancelled') || %s::jsonb)).* FROM jobs_batchjob AS job"
        " ORDER BY id DESC LIMIT 1 RETURNING id"
    )
    oldest = '{"state": "paused", "id": "00000000-0000-7000-8000-000000000001"}'
    try:
        made = [stack.sql(copy, [extra])[0][0] for extra in (oldest, *["{}"] * 30)]
        fetched: list[str] = []
        page.on("request", lambda request: fetched.append(request.url) if request.url.endswith("/jobs/") else None)
        with page.expect_websocket() as socket:
            dora.open("/jobs/")
        # Other jobs may become something else meanwhile, and the list is fetched for them. It comes to rest.
        for _ in range(5):
            before = len(fetched)
            for _ in range(4):
                socket.value.wait_for_event("framereceived")
            if len(fetched) == before:
                break
        else:
            pytest.fail(f"the list was fetched {len(fetched)} times in 20 pictures")
    finally:
        stack.sql("DELETE FROM jobs_batchjob WHERE id = ANY(%s) RETURNING id", [made])


def test_the_bar_of_a_job_that_failed_at_once_stands_still(dora, stack):
    page = dora.page
    ((job,),) = stack.sql(
        "UPDATE jobs_batchjob SET state = 'failed', rows = NULL WHERE id ="
        " (SELECT id FROM jobs_batchjob WHERE state IN ('paused', 'cancelled') LIMIT 1) RETURNING id"
    )
    with page.expect_websocket() as socket:
        dora.open(f"/jobs/{job}/")
    for _ in range(2):
        socket.value.wait_for_event("framereceived")
    expect(page.locator("#jobs-renewed progress")).to_have_attribute("value", "0")


def test_stored_predictions_are_asked_again_and_compared(dora, stack):
    reading = {"features": dict(zip(NAMES, READING, strict=True))}
    for _ in range(40):
        assert stack.post("/api/v1/endpoints/shuttle-fault/predict", reading).status == 200
    stack.sql("UPDATE jobs_batchjob SET state = 'cancelled' WHERE state = 'paused'")
    page = dora.page
    opened(page, "What would another version have said?")
    page.get_by_label("Asked now").select_option("shuttle-fault/logistic_regression-1.0.0")
    page.get_by_label("Answered then by").fill(stack.champion())
    page.get_by_label("At most").fill("30")
    page.get_by_label("Until (UTC)").fill("2100-01-01T00:00")
    page.get_by_role("button", name="Ask again").click()
    stack.crew.worker()
    page.get_by_role("link", name="Compare with then").click(timeout=WORK_MS)
    expect(page.get_by_role("heading", name=re.compile("% agree"))).to_be_visible()
    expect(page.locator("dl div", has=page.get_by_text("Compared", exact=True))).to_contain_text("30")
    expect(page.get_by_role("img", name=re.compile("How far the scores lie apart"))).to_be_visible()
    assert page.evaluate("Chart.getChart(document.querySelector('canvas')) !== undefined")
    assert violations(page) == []


def test_a_training_run_is_followed_and_approved(dora, stack):
    page = dora.page
    dora.open("/trainings/")
    opened(page, "Train anew")
    page.get_by_label("What", exact=True).select_option("water-flow/ridge")
    page.get_by_label("Why?").fill("The pumps are new.")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Nothing was said yet.")).to_be_visible()
    stack.crew.trainer()
    log = page.get_by_role("log")
    expect(log).to_contain_text("fitted in", timeout=WORK_MS)
    page.get_by_label(re.compile("Shall ridge-1.0.1 go live")).fill("As good as before.", timeout=WORK_MS)
    expect(log).to_contain_text("waits for approval")
    expect(page.get_by_role("region", name="The gate").get_by_role("row")).not_to_have_count(0)
    assert page.evaluate("[...document.querySelectorAll('canvas')].every((one) => Chart.getChart(one))")
    assert violations(page) == []
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.get_by_text("which went live on")).to_be_visible()
    dora.open("/endpoints/water-flow/")
    expect(page.get_by_role("listitem").filter(has_text="ridge-1.0.1")).to_contain_text("As good as before.")


def test_a_schedule_is_made_switched_off_and_deleted(dora):
    page = dora.page
    dora.open("/schedules/")
    opened(page, "New schedule")
    page.get_by_label("Name").fill("every-night")
    page.get_by_label("What", exact=True).select_option("retraining/water-flow/ridge")
    page.get_by_label("When").fill("30 2 * * *")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_role("button", name="Make it").click()
    row = page.get_by_role("row", name="every-night")
    expect(row).to_contain_text("30 2 * * * Europe/Berlin")
    page.get_by_role("button", name="Switch every-night off").click()
    expect(row.get_by_text("off", exact=True)).to_be_visible()
    page.get_by_role("button", name="Delete every-night").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_the_page_says_that_the_database_is_away_and_needs_no_redis(dora, stack):
    stack.valkey.stop()
    dora.page.reload()
    expect(status(dora)).to_have_text("Live")
    stack.postgres.stop()
    expect(status(dora)).to_contain_text("can't reach its database")
    stack.postgres.start()
    stack.valkey.start()
    expect(status(dora)).to_have_text("Live", timeout=40_000)


def test_a_viewer_is_offered_nothing_to_start(visit):
    for path, heading in (("/jobs/", "Batch jobs"), ("/trainings/", "Training runs"), ("/schedules/", "Schedules")):
        visit.open(path)
        if visit.page.locator("[name=username]").count():
            visit.log_in("vera")
        expect(visit.page.get_by_role("heading", name=heading, exact=True).last).to_be_visible()
        expect(visit.page.locator(".ft-page form")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible_and_fit_a_phone(dora, stack, scheme):
    page = dora.page
    page.emulate_media(color_scheme=scheme)
    ids = {table: stack.sql(f"SELECT id FROM jobs_{table} ORDER BY id") for table in ("batchjob", "trainingrun")}
    paths = ["/jobs/", "/trainings/", "/schedules/", *(f"/jobs/{id}/" for (id,) in ids["batchjob"][:1])]
    for path in [*paths, *(f"/trainings/{id}/" for (id,) in ids["trainingrun"][:1])]:
        page.set_viewport_size({"width": 390, "height": 844})
        dora.open(path)
        page.evaluate("document.querySelectorAll('details.job-new').forEach((form) => (form.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert violations(page) == [], path
