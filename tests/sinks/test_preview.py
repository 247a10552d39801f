from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sink_samples import result, score, track

from stream_mer.errors import ConfigError, OutputError
from stream_mer.sinks import preview
from stream_mer.sinks.preview import PreviewWindow, require_display
from stream_mer.types import ImageU8

HERE = Path(__file__).parent
WAIT_S = 40


class Window:
    """OpenCV's window functions without a window."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[ImageU8] = []
        self.keys: list[int] = []
        self.visible = 1.0
        self.destroyed = 0
        fakes: dict[str, Callable[..., object]] = {
            "namedWindow": lambda *_: None,
            "resizeWindow": lambda *_: None,
            "imshow": lambda _, img: self.shown.append(img.copy()),
            "waitKey": lambda _: self.keys.pop(0) if self.keys else -1,
            "getWindowProperty": lambda *_: self.visible,
            "destroyWindow": self._destroy,
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(preview.cv2, name, fake)

    def _destroy(self, _: str) -> None:
        self.destroyed += 1


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Window:
    return Window(monkeypatch)


def test_shows_bgr_pictures_of_the_frames_size(window: Window) -> None:
    sink = PreviewWindow(check_display=False)
    item = result(0, size=(64, 48))
    sink.write(item)
    sink.close(None)
    assert window.shown[0].shape == (48, 64, 3)
    middle = item.frame.rgb[24, 32, ::-1].astype(int)
    assert np.abs(window.shown[0][24, 32] - middle).max() <= 1
    assert window.destroyed == 1


@pytest.mark.parametrize("key", [ord("q"), 27])
def test_key_asks_to_stop_and_then_nothing_more_is_shown(window: Window, key: int) -> None:
    sink = PreviewWindow(check_display=False)
    window.keys = [-1, key]
    for index in range(5):
        sink.write(result(index))
    assert sink.wants_stop
    assert len(window.shown) == 2
    sink.close(None)


def test_closing_the_window_asks_to_stop(window: Window) -> None:
    sink = PreviewWindow(check_display=False)
    sink.write(result(0))
    assert not sink.wants_stop
    window.visible = 0.0
    sink.write(result(1))
    assert sink.wants_stop
    sink.close(None)
    assert window.destroyed == 0, "it is gone already"


def test_space_freezes_the_picture_but_not_the_run(window: Window) -> None:
    sink = PreviewWindow(check_display=False)
    window.keys = [ord(" "), -1, -1, ord(" "), -1]
    for index in range(6):
        sink.write(result(index, size=(320, 240)))
    lower = [img[60:] for img in window.shown]
    assert np.array_equal(lower[1], lower[2])
    assert np.array_equal(lower[1], lower[3])
    assert not np.array_equal(lower[3], lower[4])
    assert not np.array_equal(window.shown[0], window.shown[1]), "it says that it is paused"


def test_snapshot_is_what_was_on_screen(window: Window, tmp_path: Path) -> None:
    sink = PreviewWindow(check_display=False, snapshots=tmp_path / "shots")
    window.keys = [-1, ord("s")]
    for index in range(3):
        sink.write(result(index, size=(320, 240)))
    (path,) = (tmp_path / "shots").iterdir()
    assert path.name == "snapshot-0-00.040-1.png"
    assert np.array_equal(preview.cv2.imread(str(path)), window.shown[1])


def test_snapshot_that_cannot_be_saved_is_told_and_ends_nothing(window: Window, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    sink = PreviewWindow(check_display=False, snapshots=tmp_path / "file")
    window.keys = [ord("s"), -1]
    for index in range(3):
        sink.write(result(index, size=(320, 240)))
    assert not sink.wants_stop
    assert len(window.shown) == 3


def test_d_hides_and_shows_the_details(window: Window) -> None:
    sink = PreviewWindow(check_display=False)
    window.keys = [-1, ord("d"), -1, ord("d"), -1]
    plain = []
    for index in range(5):
        item = result(index, size=(320, 240), tracks=(track(x=20, y=10),), scores=(score(40 * index, 0.4),))
        sink.write(item)
        plain.append(np.array_equal(window.shown[-1][200:], item.frame.rgb[200:, :, ::-1]))
    assert plain == [False, False, True, True, False], "without details nothing is drawn down there"


def test_r_records_and_says_so(window: Window) -> None:
    on = [False]

    def toggle() -> bool:
        on[0] = not on[0]
        return on[0]

    sink = PreviewWindow(check_display=False, record=toggle)
    window.keys = [-1, ord("r"), -1, -1]
    for index in range(4):
        sink.write(result(index, size=(320, 240)))
    assert on == [True]
    note = [img[14:50].astype(int) for img in window.shown]
    assert not np.array_equal(note[0], note[2])
    PreviewWindow(check_display=False).press(ord("r"), result(0))  # nothing to record with: nothing happens


def test_keys_work_while_no_picture_comes(window: Window) -> None:
    sink = PreviewWindow(check_display=False)
    sink.idle()
    assert window.shown == [], "nothing to show yet"
    sink.write(result(0))
    window.keys = [-1, ord("q")]
    sink.idle()
    assert not sink.wants_stop
    sink.idle()
    assert sink.wants_stop
    sink.idle()
    assert len(window.shown) == 3


def test_lost_display_is_an_output_error(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise preview.cv2.error("no display")

    monkeypatch.setattr(preview.cv2, "imshow", broken)
    sink = PreviewWindow(check_display=False)
    with pytest.raises(OutputError, match="--no-window"):
        sink.write(result(0))
    assert window.shown == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="DISPLAY is X11's")
@pytest.mark.parametrize("display", ["", ":4711"])
def test_no_display_is_a_config_error_not_an_abort(monkeypatch: pytest.MonkeyPatch, display: str) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ConfigError, match=r"(?s)cannot open a window: .*display.*--no-window"):
        require_display()


# From here on with a real window, in processes of their own, on a virtual display.


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A virtual X display: its name, and the file that its pixels lie in."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed (apt-get install xvfb)")
    read, write = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(write),
        "-screen",
        "0",
        "800x600x24",
        "-fbdir",
        str(tmp_path),
        "-nolisten",
        "tcp",
    ]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    try:
        yield f":{number}", tmp_path / "Xvfb_screen0"
    finally:
        server.terminate()
        server.wait(WAIT_S)


def screenshot(path: Path) -> ImageU8:
    """The pixels of an XWD file, RGB."""
    data = path.read_bytes()
    header = struct.unpack(">25I", data[:100])
    size, width, height, stride, colours = header[0], header[4], header[5], header[12], header[19]
    start = size + 12 * colours
    rows = np.frombuffer(data, np.uint8, stride * height, start).reshape(height, stride)
    return np.ascontiguousarray(rows[:, : 4 * width].reshape(height, width, 4)[:, :, 2::-1])


def environment(display: str) -> dict[str, str]:
    return os.environ | {"DISPLAY": display, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}


IMSHOW = """
import stream_mer
import av, cv2, numpy
cv2.imshow("w", numpy.full((200, 300, 3), (0, 0, 255), numpy.uint8))
for _ in range(20):
    cv2.waitKey(10)
print("shown", flush=True)
"""


def test_window_does_not_hang_after_importing_the_package(screen: tuple[str, Path]) -> None:
    """With PyAV loaded before OpenCV it would, for ever (opencv#29195)."""
    done = subprocess.run(
        [sys.executable, "-c", IMSHOW],
        env=environment(screen[0]),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert done.stdout.strip() == "shown", done.stderr


TRIES, PAINT_S = 8, 5.0
SHOW = """
import time
from sink_samples import event, result, track
from stream_mer.sinks.preview import PreviewWindow
face = track(x=120, y=60, width=80)
sink = PreviewWindow("stream_mer", snapshots="shots")
for index in range(100000):
    sink.write(result(index, size=(640, 480), tracks=(face,), events=(event(0),) if index % 50 == 5 else ()))
    if index == 20:
        print("shown", flush=True)
    if sink.wants_stop:
        break
    time.sleep(0.01)
sink.close(None)
print("closed", index, flush=True)
"""


@contextmanager
def painted_window(screen: tuple[str, Path], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The scene in a window whose picture is really on the screen.

    On a busy machine a window of OpenCV's Qt under a bare X server is painted at once or, now and then,
    never (a dozen lines of OpenCV alone show it, too); another process then gets another chance.
    """
    for _ in range(TRIES):
        process = subprocess.Popen(
            [sys.executable, "-c", SHOW],
            env=environment(screen[0]),
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline().strip() == "shown"
                until = time.monotonic() + PAINT_S
                while time.monotonic() < until:
                    if (screenshot(screen[1]).max(2) > 60).mean() > 0.3:
                        yield process
                        return
                    time.sleep(0.05)
            finally:
                process.kill()
    pytest.fail(f"none of {TRIES} windows was painted")


def test_real_window_obeys_the_keyboard(screen: tuple[str, Path], tmp_path: Path) -> None:
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed (apt-get install xdotool)")
    env = environment(screen[0])
    with painted_window(screen, tmp_path) as process:
        assert process.stdout is not None

        def press(key: str) -> None:
            find = [
                "xdotool",
                "search",
                "--sync",
                "--name",
                "stream_mer",
                "windowfocus",
                "--sync",
                "key",
                key,
            ]
            subprocess.run(find, env=env, check=True, timeout=WAIT_S, capture_output=True)

        press("s")
        until = time.monotonic() + WAIT_S
        while not list(tmp_path.glob("shots/*.png")) and time.monotonic() < until:
            time.sleep(0.05)
        assert len(list(tmp_path.glob("shots/*.png"))) == 1
        press("q")
        assert process.stdout.readline().startswith("closed")
        assert process.wait(WAIT_S) == 0
