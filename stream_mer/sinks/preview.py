"""A window that shows the overlay live, with a few keys."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2

from stream_mer.errors import ConfigError, OutputError
from stream_mer.sinks import canvas
from stream_mer.sinks.draw import draw
from stream_mer.sinks.history import SECOND, DrawSettings, History, Status
from stream_mer.sinks.style import Layout, clock_text
from stream_mer.types import ImageU8, Result, RunSummary

NOTE_NS = 2 * SECOND
"""How long a message such as 'saved ...' stays in the window, stream time."""
_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1); cv2.destroyAllWindows()"
_PROBE_SECONDS = 20
_ESCAPE = 27


class PreviewWindow:
    """Sink that shows every result in a window.

    Keys: ``q`` or Escape asks to stop, ``s`` saves a snapshot, ``r`` starts and ends a recording, ``d``
    shows and hides details (insets and score strip), space freezes and thaws the picture (the run
    itself goes on: a live source does not wait). Closing the window asks to stop, too.

    Args:
        title: of the window; also its identity, so two windows need two titles.
        settings: how the overlay looks, and whether faces are redacted (snapshots too).
        snapshots: folder for snapshots, made when the first one is taken.
        status: asked once a frame for what the pipeline knows.
        record: called for ``r``; says whether a recording runs now. Without it the key does nothing.
        check_display: try out in a process of its own whether windows work here at all; the toolkit
            ends the whole program where they do not.

    Raises:
        ConfigError: no window can be opened here.
    """

    def __init__(
        self,
        title: str = "stream_mer",
        settings: DrawSettings | None = None,
        *,
        snapshots: Path | str = ".",
        status: Callable[[], Status] | None = None,
        record: Callable[[], bool] | None = None,
        check_display: bool = True,
    ) -> None:
        if check_display:
            require_display()
        self._title = title
        self._history = History(settings)
        self._snapshots = Path(snapshots)
        self._status, self._record = status, record
        self._recording = False
        self._last: Result | None = None
        self._paused = self._stop = self._closed = self._open = False
        self._shown: ImageU8 | None = None
        self._note, self._note_until = "", 0

    @property
    def wants_stop(self) -> bool:
        """True once the user has asked to stop. Readable from any thread."""
        return self._stop

    def write(self, result: Result) -> None:
        """Show one result (unless frozen) and look at the keyboard; never waits.

        Raises:
            OutputError: the window is closed for good, or the display has gone away.
        """
        if self._closed:
            raise OutputError("the preview window is already closed; nothing can be shown in it")
        if self._stop:
            return
        self._last = result
        self._history.push(result, status=self._status() if self._status else None)
        if not self._paused:
            self._shown = draw(result, self._history)
        self._refresh()

    def idle(self) -> None:
        """Look at the keyboard while no picture comes: 'q' must work during an outage, too.

        Raises:
            OutputError: the display has gone away.
        """
        if self._open and not self._stop and not self._closed:
            self._refresh()

    def _refresh(self) -> None:
        try:
            self._show()
            key = cv2.waitKey(1)
            gone = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error as error:
            raise OutputError(
                f"cannot show the preview window: {error}\nrun with --no-window, or use --web"
            ) from error
        if gone:
            self._stop = True
        elif key >= 0 and self._last is not None:
            self.press(key & 0xFF, self._last)

    def press(self, key: int, result: Result) -> None:
        """Do what a key stands for; ``result`` is the one on screen."""
        if key in (ord("q"), _ESCAPE):
            self._stop = True
        elif key == ord(" "):
            self._paused = not self._paused
        elif key == ord("s"):
            self._snapshot(result)
        elif key == ord("d"):
            look = self._history.settings
            self._history.settings = replace(look, insets=not look.insets, strip=not look.strip)
        elif key == ord("r") and self._record is not None:
            self._recording = self._record()
            self._note_until = self._history.now_ns + NOTE_NS
            self._note = "recording" if self._recording else "recording ended"

    def close(self, summary: RunSummary | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Take the window away; idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._open:
            if cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1:  # else the user closed it
                cv2.destroyWindow(self._title)
            cv2.waitKey(1)  # the toolkit acts only when it is asked to look at its events

    def _show(self) -> None:
        if self._shown is None:
            return
        if not self._open:
            # OpenCV's Qt complains on stderr, per window, about fonts that it does not need.
            os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")
            flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL  # no tool bar
            cv2.namedWindow(self._title, flags)
            height, width = self._shown.shape[:2]
            cv2.resizeWindow(self._title, width, height)
            self._open = True
        picture = self._shown
        words = "paused, space goes on" if self._paused else "recording" if self._recording else ""
        if self._history.now_ns < self._note_until:
            words = self._note
        if words:
            picture = picture.copy()
            _write_note(picture, words)
        cv2.imshow(self._title, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def _snapshot(self, result: Result) -> None:
        """Save what is on screen. A full disk is told in the window; it does not end a live run."""
        if self._shown is None:
            return
        time = clock_text(result.frame.pts_ns).replace(":", "-")
        path = self._snapshots / f"snapshot-{time}-{result.frame.index}.png"
        ok, png = cv2.imencode(".png", cv2.cvtColor(self._shown, cv2.COLOR_RGB2BGR))
        try:
            if not ok:
                raise OSError("the picture cannot be encoded")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png.tobytes())
            self._note = f"saved {path.name}"
        except OSError as error:
            self._note = f"not saved: {error.strerror or error}"
        self._note_until = self._history.now_ns + NOTE_NS


def require_display() -> None:
    """Make sure that a window can be opened here.

    Raises:
        ConfigError: there is no display, it refuses us, or this OpenCV has no windows.
    """
    advice = "run with --no-window, or look at it in a browser with --web"
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise ConfigError(f"cannot open a window: no display is set (DISPLAY is empty)\n{advice}")
    command = [sys.executable, "-c", _PROBE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"cannot open a window: the display did not answer within {_PROBE_SECONDS} s\n{advice}"
        ) from error
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        reason = next((line for line in reasons if "display" in line or "implemented" in line), reasons[-1])
        raise ConfigError(f"cannot open a window: {reason.strip()}\n{advice}")


def _write_note(img: ImageU8, words: str) -> None:
    layout = Layout.of(*img.shape[:2])
    width = canvas.text_width(words, layout.text, bold=True) + 4 * layout.pad
    x, y = (layout.width - width) / 2, layout.top + layout.pad
    canvas.panel(img, x, y, x + width, y + 2 * layout.text, radius=layout.pad)
    canvas.text(img, x + 2 * layout.pad, y + 1.35 * layout.text, words, layout.text, bold=True)
