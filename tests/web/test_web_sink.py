from __future__ import annotations

import cv2
import numpy as np
import pytest
from web_samples import Hands, result

from stream_mer.errors import OutputError
from stream_mer.types import ImageU8, Result
from stream_mer.web.live_state import LiveState
from stream_mer.web.sink import MAX_WIDTH, WebSink, encode_jpeg

SECOND = 1_000_000_000


class Painting:
    def __init__(self) -> None:
        self.painted: list[int] = []
        self.remembered: list[int] = []

    def paint(self, item: Result) -> ImageU8:
        self.painted.append(item.frame.index)
        return item.frame.rgb

    def remember(self, item: Result) -> None:
        self.remembered.append(item.frame.index)


def test_nobody_looking_nothing_painted_but_everything_remembered() -> None:
    state, painting = LiveState("door"), Painting()
    sink = WebSink(state, painting.paint, remember=painting.remember)
    for index in range(10):
        sink.write(result(index))
    assert painting.painted == []
    assert painting.remembered == list(range(10))
    assert state.snapshot()["frames"] == 10


def test_pictures_come_at_most_so_often_and_none_is_remembered_twice() -> None:
    hands = Hands()
    state, painting = LiveState("door", clock_ns=hands), Painting()
    sink = WebSink(state, painting.paint, remember=painting.remember, max_fps=10, clock_ns=hands)
    for index in range(100):  # a second and a bit of work at 80 results a second
        hands.ns = index * SECOND // 80
        state.picture()
        sink.write(result(index))
    assert 12 <= len(painting.painted) <= 14
    assert sorted(painting.painted + painting.remembered) == list(range(100))
    assert state.picture()[0] == len(painting.painted)


def test_picture_is_what_was_painted() -> None:
    state = LiveState("door")
    state.picture()
    sink = WebSink(state, lambda item: item.frame.rgb)
    sink.write(result(0))
    _, jpeg = state.picture()
    rgb = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert rgb.shape == (48, 64, 3)
    assert np.abs(rgb.mean((0, 1)) - (200, 40, 90)).max() < 4


def test_wide_pictures_are_reduced() -> None:
    jpeg = encode_jpeg(np.zeros((540, 1920, 3), np.uint8))
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (360, MAX_WIDTH, 3)


@pytest.mark.parametrize(("summary", "phase"), [(object(), "ended"), (None, "failed")])
def test_close_tells_the_viewers(summary: object, phase: str) -> None:
    state = LiveState("door")
    sink = WebSink(state, lambda item: item.frame.rgb, status=lambda _: {"dropped": 4})
    sink.write(result(0))
    sink.close(summary)  # type: ignore[arg-type]
    sink.close(None)
    assert state.snapshot()["phase"] == phase
    assert state.snapshot()["dropped"] == 4
    with pytest.raises(OutputError, match="already closed"):
        sink.write(result(1))
