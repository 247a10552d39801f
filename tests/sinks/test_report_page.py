"""The report: whole, harmless, without an outside request, and usable in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sink_samples import event, summary

from stream_mer.sinks.report import Chapter, page
from stream_mer.sinks.report_pictures import SIDE, FaceTriple
from stream_mer.types import ImageU8

WAIT_MS = 120_000
NASTY = '<script>document.title="broken"</script>'


def triple(seed: int = 0) -> FaceTriple:
    rng = np.random.default_rng(seed)

    def three(side: int) -> tuple[ImageU8, ImageU8, ImageU8]:
        one, two, last = (rng.integers(0, 255, (side, side, 3), np.uint8) for _ in range(3))
        return one, two, last

    return FaceTriple(three(SIDE), three(32), three(SIDE))


def chapters() -> list[Chapter]:
    events = [event(1000), event(4000), event(9000)]
    rejected = [
        {
            "apex_ns": 5e9,
            "track_id": 1,
            "label": "others",
            "probability": 0.9,
            "reason": "blink",
            "detail": NASTY,
        }
    ]
    bare = Chapter(NASTY, [event(2000)], None)
    return [Chapter("hall/cam", events, summary(), {events[0].id: triple()}, rejected), bare]


def test_the_motion_row_magnifies_and_keeps_what_is_still() -> None:
    still = np.full((SIDE, SIDE, 3), 100, np.uint8)
    moved = still.copy()
    moved[:10] = 105
    lr = (still[:32, :32],) * 3
    rows = dict(FaceTriple((still, moved, still), lr, (still,) * 3).rows())
    onset, apex, offset = rows["motion x8"]
    assert (onset == still).all()
    assert (offset == still).all()
    assert (apex[:10] == 140).all()
    assert (apex[10:] == 100).all()
    assert all(picture.shape == (SIDE, SIDE, 3) for row in rows.values() for picture in row)


def test_paths_and_sources_are_told_only_when_asked() -> None:
    made = chapters()
    assert made[0].summary is not None
    assert made[0].summary.source not in page(made, "t")
    made[0].place = "/secret/cam.mp4"
    assert "/secret/cam.mp4" in page(made, "t")


def test_the_page_holds_everything_it_needs() -> None:
    text = page(chapters(), "t")
    for word in ("http://", "https://", 'src="/', "@import", "url(", "<link"):
        assert word not in text
    assert "default-src 'none'" in text
    assert NASTY not in text


@pytest.fixture
def browser() -> Iterator[Any]:
    """A context of its own in a real browser; on a busy machine everything may take long."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = started.new_context()
        context.set_default_timeout(WAIT_MS)
        yield context
        started.close()


@pytest.fixture
def report(tmp_path: Path) -> str:
    file = tmp_path / "report.html"
    file.write_text(page(chapters(), "two cameras"), encoding="utf-8")
    return file.as_uri()


def tally(view: Any) -> str:
    return str(view.locator("#tally").text_content())


def test_a_browser_shows_it_reviews_are_kept_and_nothing_is_fetched(browser: Any, report: str) -> None:
    view = browser.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    view.on("request", lambda request: asked.append(request.url))
    view.on("console", lambda message: wrong.append(message.text))
    view.on("pageerror", lambda error: wrong.append(str(error)))
    view.goto(report)
    assert view.title() == "two cameras"
    assert view.locator("article").count() == 4
    shown = view.evaluate("[...document.images].every(i => i.complete && i.naturalWidth === 128)")
    assert shown
    assert view.locator("img").count() == 12
    view.locator("article").first.get_by_text("false alarm").click()
    assert "1 false alarm" in tally(view)
    view.locator("#show").select_option("false alarm")
    assert view.locator("article:visible").count() == 1
    view.reload()
    assert "1 false alarm" in tally(view)
    view.locator("#show").select_option("")
    with view.expect_download() as download:
        view.locator("#save").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0] == "id,camera,onset_ns,label,probability,review"
    assert sum("false alarm" in line for line in lines) == 1
    assert len(lines) == 5
    assert wrong == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_two_tabs_of_one_report_say_the_same(browser: Any, report: str) -> None:
    one, two = browser.new_page(), browser.new_page()
    one.goto(report)
    two.goto(report)
    one.locator("article").first.get_by_text("false alarm").click()
    two.locator("#tally", has_text="1 false alarm").wait_for()
    two.locator("article").first.get_by_text("false alarm").click()
    one.locator("#tally", has_text="0 false alarm").wait_for()
    one.reload()
    assert "0 false alarm" in tally(one), "what another tab took back must not come again"


@pytest.mark.parametrize(
    "broken",
    [
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('not allowed') }})",
        "Storage.prototype.setItem = () => { throw new Error('full') }",
        "Storage.prototype.setItem = () => undefined",
    ],
)
def test_a_review_outlives_a_reload_where_the_browser_keeps_nothing(
    browser: Any, report: str, broken: str
) -> None:
    view = browser.new_page()
    view.add_init_script(broken)
    view.goto(report)
    view.locator("article").first.get_by_text("unsure").click()
    assert "1 unsure" in tally(view)
    view.reload()
    assert "1 unsure" in tally(view)
    if "Error" in broken:
        view.locator("article").nth(1).get_by_text("true").click()
        assert "save before you close the tab" in tally(view)


def test_a_browser_that_is_full_does_not_bring_up_what_was_said_before(browser: Any, report: str) -> None:
    view = browser.new_page()
    view.goto(report)
    view.locator("article").first.get_by_text("true").click()
    view.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full') } }")
    view.locator("article").first.get_by_text("unsure").click()
    assert tally(view).startswith("0 true, 0 false alarm, 1 unsure")
    view.reload()
    assert tally(view).startswith("0 true, 0 false alarm, 1 unsure")
