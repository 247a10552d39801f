"""The page in a real browser: what a visitor sees, by mouse, by keyboard, on a phone, in the dark."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from web_samples import event, result

pytest.importorskip("uvicorn", reason="the extra 'web' is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

# ruff: noqa: E402  (imports that need the extra follow the skip)
from stream_mer.web.dashboard import Dashboard, Service
from stream_mer.web.live_state import LiveState
from stream_mer.web.server import WebServer
from stream_mer.web.sink import WebSink, encode_jpeg

WAIT_MS = 30_000
CAMERAS = 8
"""More than the six connections that a browser opens to one server."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield made
        made.close()


class Site:
    """A dashboard with eight cameras that deliver, and what was reviewed on it."""

    def __init__(self) -> None:
        self.states = [LiveState(f"camera {n}", threshold=0.5) for n in range(CAMERAS)]
        self.reviews: list[tuple[int, str, str]] = []
        self.level = 0
        service = Service(overload=self.overload, review=self.review)
        self.server = WebServer(Dashboard(self.states, service=service), "127.0.0.1", 0)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self.deliver, args=(n,)) for n in range(CAMERAS)]

    def overload(self) -> dict[str, object]:
        return {"level": self.level, "name": "fewer detections" if self.level else "", "steps": []}

    def review(self, number: int, event_id: str, verdict: str) -> bool:
        self.reviews.append((number, event_id, verdict))
        return True

    def deliver(self, number: int) -> None:
        state = self.states[number]
        sink = WebSink(state, lambda item: np.full((120, 160, 3), (20, 30 * number, 90), np.uint8))
        for index in range(100_000):
            found = ()
            if number == 0 and index in (3, 5):
                found = (event(40 * index, "happiness" if index == 3 else "disgust"),)
            score = 0.5 + 0.4 * np.sin(index / 5)
            sink.write(result(index, scores=((index * 40, float(score)),), events=found))
            if self._stop.wait(0.1):
                return

    def __enter__(self) -> Site:
        face = encode_jpeg(cv2.applyColorMap(np.tile(np.arange(64, dtype=np.uint8), (64, 1)), 2))
        self.states[0].keep_thumbnails("1-120", (face, face, face))
        self.server.start()
        for thread in self._threads:
            thread.start()
        while self.states[1].ready() is not None:
            time.sleep(0.01)
        self.states[1].say("no data in time; trying again in 0.5 s")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.server.stop()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as made:
        yield made


class Visit:
    """One open page, with everything it asked for and complained about."""

    def __init__(self, browser: Any, site: Site, **how: Any) -> None:
        self.context = browser.new_context(**how)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(site.server.url)
        self.page.set_default_timeout(WAIT_MS)
        until(self.page, "document.querySelectorAll('.view').length === 8")
        until(self.page, "[...document.querySelectorAll('.view')].every(v => v.width === 160)")


@pytest.fixture
def visit(browser: Any, site: Site) -> Iterator[Any]:
    opened: list[Visit] = []

    def open_page(**how: Any) -> Visit:
        opened.append(Visit(browser, site, **how))
        return opened[-1]

    yield open_page
    for one in opened:
        one.context.close()


def until(page: Any, condition: str) -> None:
    """Wait for an expression to be true. (Playwright's own way evaluates strings in the page, which the
    page's content policy rightly forbids.)"""
    deadline = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def keep(page: Any, folder: Path, name: str) -> None:
    """A screenshot, for people to look at."""
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def test_eight_cameras_are_live_and_nobody_else_is_asked(visit: Any, site: Site, tmp_path: Path) -> None:
    here = visit(viewport={"width": 1400, "height": 900})
    colours = here.page.evaluate(
        "[...document.querySelectorAll('.view')]"
        ".map(v => [...v.getContext('2d').getImageData(80, 60, 1, 1).data])"
    )
    for number, (red, green, blue, _) in enumerate(colours):
        assert np.abs(np.array([red, green, blue]) - (20, 30 * number, 90)).max() < 8, "each its own picture"
    assert here.page.locator(".pill.running").count() == CAMERAS
    assert here.page.locator("#link").inner_text() == "live"
    assert here.page.locator(".note").nth(1).inner_text() == "no data in time; trying again in 0.5 s"
    keep(here.page, tmp_path, "desktop")
    origin = site.server.url.rstrip("/")
    assert all(url.startswith((origin, "data:")) for url in here.requests)
    assert here.complaints == []


def test_reviewing_by_keyboard(visit: Any, site: Site) -> None:
    here = visit()
    button = here.page.get_by_role("button", name="Reject happiness")
    button.focus()
    here.page.keyboard.press("Enter")
    until(here.page, "[...document.querySelectorAll('.said')].some(s => s.textContent === 'saved')")
    until(here.page, "document.querySelectorAll('button[aria-pressed=true]').length === 1")
    assert site.reviews[-1] == (0, "1-120", "reject")
    assert button.evaluate("b => b === document.activeElement"), "new pictures take no focus away"
    here.page.keyboard.press("Space")
    until(here.page, "document.querySelectorAll('button[aria-pressed=true]').length === 0")
    assert site.reviews[-1] == (0, "1-120", ""), "the same key takes it back"


def test_every_control_can_be_reached_by_tab(visit: Any) -> None:
    here = visit()
    controls = here.page.locator("button").count()
    assert controls == 4
    reached = set()
    for _ in range(controls + 4):
        here.page.keyboard.press("Tab")
        reached.add(here.page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert sum(name is not None and name.startswith(("Accept", "Reject")) for name in reached) == 4


def test_thumbnails_are_shown_where_they_are_kept(visit: Any) -> None:
    here = visit()
    faces = here.page.locator("#found img")
    assert faces.count() == 3
    until(here.page, "[...document.querySelectorAll('#found img')].every(i => i.naturalWidth === 64)")


@contextmanager
def told(page: Any, cameras: list[dict[str, Any]]) -> Iterator[None]:
    """Inside the block the page is told of these cameras instead of the site's own."""
    state = {"cameras": cameras, "overload": {"level": 0, "name": "", "steps": []}}
    page.route("**/api/state", lambda route: route.fulfill(json=state))
    yield
    page.unroute_all(behavior="wait")


def test_a_tab_left_open_shows_the_cameras_of_a_service_started_again(visit: Any, site: Site) -> None:
    """Started with two cameras instead of eight: the other six must not stand there as if they ran."""
    here = visit()
    here.page.route("**/pictures", lambda route: route.abort())
    here.page.evaluate("watching.abort()")
    kept = site.states[1].snapshot()
    with told(here.page, [{**kept, "name": "other"}, kept]):
        until(here.page, "document.querySelectorAll('#cameras .card').length === 2")
        assert here.page.locator("#cameras h2").all_inner_texts() == ["other", "camera 1"]
        sizes = here.page.evaluate("[...document.querySelectorAll('.view')].map(v => v.width)")
        assert sizes == [4, 160], "the picture of another camera is gone, one's own stays"
    until(here.page, "document.querySelectorAll('#cameras .card').length === 8")


def test_the_newest_event_is_on_top_whatever_its_cameras_clock(visit: Any, site: Site) -> None:
    """A camera that was never lost tells smaller epochs than one that was; its events came below for ever."""
    here = visit()
    lost, steady = site.states[0].snapshot(), site.states[1].snapshot()
    one = lost["events"][0]
    lost["events"] = [
        {**one, "id": f"old-{n}", "epoch": 3, "onset_s": 9000 + n, "decided_s": n} for n in range(100)
    ]
    steady["events"] = [{**one, "id": "new", "epoch": 0, "onset_s": 5, "decided_s": 1000, "label": "others"}]
    with told(here.page, [lost, steady]):
        until(here.page, "document.querySelectorAll('#events li').length === 100")
        assert here.page.locator("#events .what").first.inner_text() == "others"


def test_a_dot_in_the_strip_stands_as_high_as_an_event_is_probable(visit: Any, site: Site) -> None:
    """Rows of the canvas in which the column of the apex is of the class's full colour, not its tint."""
    here, (state, *_) = visit(viewport={"width": 1400, "height": 900}), (s.snapshot() for s in site.states)
    one = {**state["events"][0], "onset_s": 5.0, "apex_s": 5.05, "offset_s": 5.1}
    still = {**state, "time_s": 8.0, "scores": {str(one["track_id"]): []}}
    lit = """(() => {
      const strip = document.querySelector('.strip'), g = strip.getContext('2d'), left = 44;
      const right = strip.width - 10, x = Math.round(right - (8 - 5.05) / 10 * (right - left));
      const pixels = g.getImageData(x, 0, 1, 44).data, top = [...pixels.slice(20, 24)];
      const alike = y => top.every((c, k) => Math.abs(c - pixels[4 * y + k]) < 12);
      return [...Array(44).keys()].filter(y => y > 7 && alike(y));
    })()"""
    for probability in (0.25, 0.6):
        with told(here.page, [{**still, "events": [{**one, "probability": probability}]}]):
            until(here.page, f"{lit}.length > 0 && document.querySelectorAll('.strip').length === 1")
            here.page.wait_for_timeout(600)  # a poll later it is the new one that stands there
            rows = here.page.evaluate(lit)
            assert np.mean(rows) == pytest.approx(40 - 36 * probability, abs=1.5)


def test_phone_and_dark(visit: Any, tmp_path: Path) -> None:
    here = visit(viewport={"width": 360, "height": 740}, color_scheme="dark", device_scale_factor=2)
    assert here.page.evaluate("document.documentElement.scrollWidth") <= 360, "nothing sticks out sideways"
    background = here.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in background.strip("rgb()").split(",")) < 40
    keep(here.page, tmp_path, "phone-dark")


def test_overload_is_told(visit: Any, site: Site) -> None:
    here = visit()
    assert here.page.locator("#relief").inner_text() == ""
    site.level = 2
    until(here.page, "document.getElementById('relief').textContent.endsWith(': fewer detections')")
    site.level = 0
    until(here.page, "document.getElementById('relief').textContent === ''")
