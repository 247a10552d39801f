"""A clock and sources that tests steer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from stream_mer.errors import SourceError
from stream_mer.types import Frame, SourceInfo

MS = 1_000_000
S = 1_000_000_000


class SteeredClock:
    """Time that stands still except while somebody waits; every wait is over at once."""

    def __init__(self, now_ns: int = 5 * S) -> None:
        self.now = now_ns
        self.waits: list[int] = []
        self.on_wait: Callable[[], None] | None = None
        self._interrupted = threading.Event()

    def now_ns(self) -> int:
        return self.now

    def wait_until(self, deadline_ns: int) -> bool:
        if self._interrupted.is_set():
            return False
        self.waits.append(deadline_ns - self.now)
        if self.on_wait is not None:
            self.on_wait()
        if self._interrupted.is_set():
            return False
        self.now = max(self.now, deadline_ns)
        return True

    def interrupt(self) -> None:
        self._interrupted.set()


class ScriptedSource:
    """Frames at given times, then the end or an error; counts what happens to it."""

    def __init__(
        self,
        times_ms: Sequence[float],
        *,
        error: SourceError | None = None,
        clock: SteeredClock | None = None,
        losses: Mapping[str, int] | None = None,
        warnings: Sequence[str] = (),
        epochs: Sequence[int] | None = None,
    ) -> None:
        self._times_ns = [round(t * MS) for t in times_ms]
        self._error = error
        self._clock = clock
        self._epochs = epochs or [0] * len(times_ms)
        self._stop = threading.Event()
        self.losses: Mapping[str, int] = dict(losses or {})
        self.warnings = tuple(warnings)
        self.info = SourceInfo("scripted", "0" * 64, 8, 6, 25.0, len(times_ms), 1.0, live=False)
        self.closed = 0
        self.interrupted = 0

    def __iter__(self) -> Iterator[Frame]:
        start_ns = self._clock.now_ns() if self._clock else 0
        for index, (pts_ns, epoch) in enumerate(zip(self._times_ns, self._epochs, strict=True)):
            if self._stop.is_set():
                return
            if self._clock is not None:
                self._clock.now = max(self._clock.now, start_ns + pts_ns)
            yield Frame(index, pts_ns, np.full((6, 8, 3), index % 256, np.uint8), epoch)
        if self._error is not None and not self._stop.is_set():
            raise self._error

    def interrupt(self) -> None:
        self.interrupted += 1
        self._stop.set()

    def close(self) -> None:
        self.closed += 1


class FakeCamera:
    """Stands in for ``cv2.VideoCapture``: ``script`` says per grab whether it works."""

    def __init__(
        self,
        clock: SteeredClock,
        *,
        script: Sequence[bool] = (),
        size: tuple[int, int] = (8, 6),
        channels: int = 3,
        opened: bool = True,
        fps: float = 25.0,
        retrieve_ms: float = 0.0,
        ends: bool = False,
    ) -> None:
        self._clock = clock
        self._script = list(script)
        self._shape = (size[1], size[0]) if channels == 0 else (size[1], size[0], channels)
        self._opened = opened
        self._fps = fps
        self._retrieve_ns = round(retrieve_ms * MS)
        self._ends = ends
        self.grabs = 0
        self.wishes: dict[int, float] = {}
        self.released = 0

    def isOpened(self) -> bool:  # noqa: N802
        return self._opened

    def get(self, propId: int, /) -> float:
        return self._fps

    def set(self, propId: int, value: float, /) -> bool:
        self.wishes[propId] = value
        return False

    def grab(self) -> bool:
        self.grabs += 1
        self._clock.now += 40 * MS
        if self._script:
            return self._script.pop(0)
        return not self._ends

    def retrieve(self) -> tuple[bool, np.ndarray]:
        self._clock.now += self._retrieve_ns
        picture = np.zeros(self._shape, np.uint8)
        if picture.ndim == 3:
            picture[..., 0] = 200  # blue comes first in OpenCV
        return True, picture

    def release(self) -> None:
        self.released += 1
