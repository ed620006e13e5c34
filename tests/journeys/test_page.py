"""The page in a real Chromium: the whole way by mouse and by keyboard, on a phone, in the dark, with hostile names.

`SCREENSHOTS=1` keeps what the README shows.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FileChooser, Page, expect, sync_playwright

from steps.ingest import SAMPLE
from tests.conftest import Store, make_store
from tests.journeys.servers import free_port, served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PICTURES = Path(__file__).parent / "screenshots"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip
TARGET, NUMBER = "diameter narrowing", "major vessels colored"  # a column of the sample whose kind can be argued about
TRAINED_MS = 240_000
WEIGHT = 150_000  # bytes of all that the page loads, without the report
MOST_TABS = 300
HOSTILE = ("<script>alert(1)</script>", "a" * 300, "{t}`${1}", '"quoted", with a comma', "=1+1", "مرحبا", "a\u200bb")
pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def page_store(tmp_path_factory: pytest.TempPathFactory, store_template: Path) -> Iterator[Store]:
    """A store of its own: the journeys change the champion."""
    with make_store(tmp_path_factory.mktemp("page") / "store", store_template).active() as opened:
        yield opened


@pytest.fixture(scope="module")
def server(page_store: Store) -> Iterator[httpx.Client]:
    """A real server."""
    port = free_port()
    with served([sys.executable, "-m", "steps.serve", "--port", str(port)], page_store, port, "/health") as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser, server: httpx.Client) -> Iterator[Callable[..., Page]]:
    """Opens the page; what it says on the console, and any dialog that nobody asked for, fails the test."""
    said: list[str] = []
    contexts = []

    def opened(path: str = "/", **options: object) -> Page:
        contexts.append(browser.new_context(**{"viewport": {"width": 1100, "height": 900}, **options}))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{server.base_url}{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [each for each in said if "404" not in each and "503" not in each] == []  # no champion yet is no fault


def picture(page: Page, name: str, place: str) -> None:
    """A part of the page, for the README."""
    if os.environ.get("SCREENSHOTS"):
        page.locator(place).screenshot(path=PICTURES / f"{name}.png")


def assert_accessible(page: Page) -> None:
    """Axe finds nothing, and nothing is wider than the window."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element with this text, label or id has the focus."""
    find = """name => { const at = document.activeElement; const label = at.id && document.querySelector(
        `label[for="${CSS.escape(at.id)}"]`); return [at.id, at.textContent, at.getAttribute('aria-label'),
        label && label.textContent].some(each => each && each.trim() === name); }"""
    for _ in range(MOST_TABS):
        if page.evaluate(find, name):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not lead to {name}")


def choose_file(page: Page, opened: list[FileChooser], name: str, file: Path) -> None:
    """Open the dialog of a file field by key, and choose."""
    tab_to(page, name)
    page.keyboard.press("Space")
    for _ in range(200):
        if opened:
            break
        page.wait_for_timeout(50)
    opened.pop().set_files(file)


def test_by_mouse_from_two_files_to_answers(visit, server, tmp_path):
    """Upload, look at columns, change a kind, train, watch, read the report, ask for a row, have a file scored."""
    page = visit()
    expect(page.get_by_text("No champion yet.")).to_be_visible()
    page.set_input_files("#train-file", SAMPLE / "train.csv")
    page.set_input_files("#test-file", SAMPLE / "test.csv")
    page.get_by_label("Column to predict").first.fill(TARGET)
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_text("212 training rows, 91 test rows, 13 columns.")).to_be_visible(timeout=30_000)
    expect(page.locator("#dataset")).to_contain_text("63 · 67")  # the first cells
    page.get_by_label(f"Kind of {NUMBER}").select_option("number")
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_role("button", name="Check again")).to_be_hidden(timeout=30_000)
    expect(page.get_by_label(f"Kind of {NUMBER}")).to_have_value("number")
    picture(page, "upload", "section:has(#dataset)")
    assert_accessible(page)

    page.get_by_label("Seconds for the search").fill("12")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("#job")).to_contain_text("At work: train", timeout=60_000)
    expect(page.locator("#job tbody tr").nth(1)).to_be_visible(timeout=TRAINED_MS)
    expect(page.locator("#job svg")).to_be_visible(timeout=TRAINED_MS)
    assert_accessible(page)
    expect(page.locator("#job").get_by_text("Registered as version 1, the champion now.")).to_be_visible(
        timeout=TRAINED_MS
    )
    picture(page, "training", "#job-section")
    expect(page.locator("#jobs")).to_contain_text(TARGET)
    expect(page.locator("#jobs")).to_contain_text("212 + 91 rows")
    (job,) = server.get("/jobs").json()["jobs"]
    assert f"{NUMBER}:number" in job["parameters"]["kinds"]

    with page.expect_popup() as opening:
        page.get_by_role("link", name="Report").click()
    report = opening.value
    expect(report.locator("h1")).to_be_visible()
    assert_accessible(report)
    report.close()

    expect(page.locator("#champion")).to_contain_text("Version 1 of crisol predicts", timeout=30_000)
    expect(page.locator("#row-section")).to_be_visible(timeout=30_000)
    page.locator("#fields select").first.select_option(index=1)
    page.get_by_role("button", name="Predict and explain").click()
    expect(page.locator("#row-answer")).to_contain_text("says version 1.", timeout=30_000)
    expect(page.locator("#row-answer")).to_contain_text("as rows usually have it")
    picture(page, "row", "#row-section")

    page.set_input_files("#rows", SAMPLE / "test.csv")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.get_by_text("91 rows answered by version 1.")).to_be_visible(timeout=30_000)
    with page.expect_download() as download:
        page.get_by_role("link", name="Save predictions.csv").click()
    download.value.save_as(tmp_path / "predictions.csv")
    assert len(pd.read_csv(tmp_path / "predictions.csv")) == 91
    assert_accessible(page)


def test_by_keyboard_from_two_files_to_another_champion(visit, server):
    """The same without a mouse; a second version is registered, compared and promoted."""
    assert server.get("/model").json()["version"] == "1"
    page = visit()
    expect(page.locator("#champion")).to_contain_text("Version 1 of crisol", timeout=30_000)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    opened: list[FileChooser] = []
    # From the start: a dialog that opens before anybody listens is lost. A lambda, for Playwright marks what listens.
    page.on("filechooser", lambda chooser: opened.append(chooser))  # noqa: PLW0108
    choose_file(page, opened, "Training file", SAMPLE / "train.csv")
    choose_file(page, opened, "Test file", SAMPLE / "test.csv")
    tab_to(page, "target")
    page.keyboard.type(TARGET)
    page.keyboard.press("Enter")
    expect(page.get_by_text("212 training rows")).to_be_visible(timeout=30_000)
    tab_to(page, "budget")
    page.keyboard.press("Control+a")
    page.keyboard.type("8")
    tab_to(page, "More options")
    page.keyboard.press("Enter")
    tab_to(page, "models")
    page.keyboard.press("Control+a")
    page.keyboard.type("lr")
    tab_to(page, "promote")
    page.keyboard.type("never")
    assert_accessible(page)
    page.keyboard.press("Enter")
    tab_to(page, "Train")
    page.keyboard.press("Enter")
    expect(page.locator("#job")).to_contain_text("Registered as version 2, not promoted", timeout=TRAINED_MS)

    expect(page.locator("#compared")).to_contain_text("log_loss", timeout=30_000)
    page.evaluate("document.getElementById('versions-title').scrollIntoView()")
    picture(page, "versions", "section:has(#versions)")
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    tab_to(page, "Make 2 champion")
    page.keyboard.press("Enter")
    expect(page.locator("#moved .note.ok")).to_be_visible(timeout=60_000)
    assert "in place of version 1" in asked[0]
    assert "log_loss: " in asked[0]
    expect(page.locator("#champion")).to_contain_text("Version 2 of crisol", timeout=30_000)
    assert_accessible(page)


def test_a_dialog_that_is_dismissed_changes_nothing(visit, server):
    """Somebody looks at the difference and stays with what is."""
    before = server.get("/models").json()
    page = visit()
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name=re.compile("Make . champion")).click()

    expect(page.locator("#moved")).to_be_empty()
    assert server.get("/models").json() == before


@pytest.mark.parametrize("path", ["/", "/docs"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_in_light_and_dark(visit, path: str, scheme: str):
    """Nothing is wider than the window, and everything has contrast and names."""
    page = visit(path, viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True)
    if path == "/":
        expect(page.locator("#champion table")).to_be_visible(timeout=30_000)

    assert_accessible(page)
    if scheme == "dark" and path == "/" and os.environ.get("SCREENSHOTS"):
        page.screenshot(path=PICTURES / "phone.png")


def test_hostile_names_are_text(visit, tmp_path):
    """Markup, templates, quotes, formulas, other scripts and long names in columns and labels: shown as they are."""
    for part, rows in (("train", 60), ("test", 30)):
        cells = {name: [f"{name[:20]} {at % 3}" for at in range(rows)] for name in HOSTILE}
        labels = [f"<img src=x onerror=alert({at % 2})>" for at in range(rows)]
        table = pd.DataFrame({**cells, "number": range(rows), "<b>label</b>": labels})
        table.to_csv(tmp_path / f"{part}.csv", index=False)
    page = visit(viewport={"width": 360, "height": 740})
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.set_input_files("#train-file", tmp_path / "train.csv")
    page.set_input_files("#test-file", tmp_path / "test.csv")
    page.locator("#target").fill("<b>label</b>")
    page.get_by_role("button", name="Upload and check").click()
    expect(page.locator("#dataset table")).to_be_visible(timeout=30_000)
    for name in HOSTILE[:-1]:
        chooser = page.get_by_label(f"Kind of {name}", exact=True)
        chooser.select_option("ignore")
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_role("button", name="Check again")).to_be_hidden(timeout=30_000)
    expect(page.get_by_label(f"Kind of {HOSTILE[3]}", exact=True)).to_have_value("ignore")

    assert page.locator("#dataset img, #dataset b, #dataset script").count() == 0
    assert_accessible(page)


def test_the_page_is_light(visit, server):
    """All that it loads is less than 150 kB, whatever the champion."""
    sizes = []
    page = visit("/docs")
    page.on("response", lambda response: sizes.append((response.url, len(response.body()))))
    page.goto(f"{server.base_url}/")
    page.wait_for_load_state("networkidle")

    assert sum(size for _, size in sizes) < WEIGHT, sizes
