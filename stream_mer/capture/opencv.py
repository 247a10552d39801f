"""Reads cameras that are plugged into this machine, through OpenCV."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from stream_mer.errors import SourceError, SourceNotFound
from stream_mer.protocols import Clock
from stream_mer.types import Frame, ImageU8, SourceInfo

LOST_AFTER = 30
"""Grabs that fail one after the other before the camera counts as lost: about a second at 30 fps, or
five minutes of V4L2's own ten-second time limit on a camera that hangs."""
HIGHEST_RATE_HZ = 1000.0
"""Drivers that do not know their rate report 0, -1 or huge numbers."""


class Camera(Protocol):
    """The part of ``cv2.VideoCapture`` that is used; tests put another one in its place."""

    def isOpened(self) -> bool: ...  # noqa: N802 - OpenCV's name
    def get(self, propId: int, /) -> float: ...
    def set(self, propId: int, value: float, /) -> bool: ...
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, NDArray[Any]]: ...
    def release(self) -> None: ...


class OpenCvCamera:
    """A camera by number, each frame stamped the moment the driver handed it over.

    The stamp is taken right after ``grab``, before decoding and colour conversion, whose length varies.
    A grab or picture that fails is counted in ``losses`` under ``grab``; ``LOST_AFTER`` in a row end
    the source with an error.

    Args:
        index: Number of the camera, 0 is the first.
        clock: Where stamps come from.
        width: Wanted width, px; the driver takes the nearest it has.
        height: Wanted height, px.
        fps: Wanted frames a second.
        open_camera: Opens a device; tests bring their own.
        devices: Folder in which the system lists its cameras.

    Raises:
        SourceNotFound: There is no camera of that number.
        SourceError: It is there but does not open, or delivers nothing.
    """

    def __init__(
        self,
        index: int,
        *,
        clock: Clock,
        width: int | None = None,
        height: int | None = None,
        fps: float | None = None,
        open_camera: Callable[[int], Camera] | None = None,
        devices: Path = Path("/dev"),
    ) -> None:
        self._clock = clock
        self._stop = threading.Event()
        self._losses: Counter[str] = Counter()
        self._warnings: list[str] = []
        self._name = f"camera {index}"
        self._camera: Camera | None = (open_camera or _open_quietly)(index)
        if not self._camera.isOpened():
            self.close()
            raise _no_camera(index, devices)
        wishes = (
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FPS, fps),
        )
        for prop, wish in wishes:
            if wish is not None:
                self._camera.set(prop, wish)
        # The first picture shows what the driver really does, whatever it says.
        self._first = self._grab()
        if self._first is None:
            self.close()
            raise SourceError(f"{self._name} opened but delivers no picture\nis another program using it?")
        high, wide, _ = self._first[1].shape
        rate = self._rate()
        if (width or wide, height or high) != (wide, high):
            self._warnings.append(
                f"{self._name} delivers {wide}x{high}, not {width or wide}x{height or high}"
            )
        digest = hashlib.sha256(f"camera:{index}".encode()).hexdigest()
        self._info = SourceInfo(self._name, digest, wide, high, rate, None, None, live=True)

    @property
    def info(self) -> SourceInfo:
        """What the camera delivers; the rate is the driver's claim."""
        return self._info

    @property
    def losses(self) -> Mapping[str, int]:
        """``grab``: pictures the driver failed to deliver."""
        return MappingProxyType(dict(self._losses))

    @property
    def warnings(self) -> Sequence[str]:
        """Wishes the camera did not grant."""
        return tuple(self._warnings)

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until interrupted; see `stream_mer.protocols.Source`.

        Raises:
            SourceError: The camera was unplugged or stopped delivering.
        """
        start_ns: int | None = None
        last_ns = -1
        index = 0
        grabbed, self._first = self._first, None
        while not self._stop.is_set():
            if grabbed is None:
                raise SourceError(f"{self._name} stopped delivering pictures\nis it still plugged in?")
            stamp_ns, rgb = grabbed
            start_ns = stamp_ns if start_ns is None else start_ns
            last_ns = max(stamp_ns - start_ns, last_ns + 1)  # a coarse clock may stand still
            yield Frame(index, last_ns, rgb)
            index += 1
            if self._stop.is_set():
                return
            grabbed = self._grab()

    def interrupt(self) -> None:
        """End the iteration after the present grab. Callable from any thread.

        A grab lasts one frame; on a camera that hangs, the driver's own time limit (V4L2: 10 s).
        """
        self._stop.set()

    def close(self) -> None:
        """Give the camera back; idempotent."""
        if self._camera is not None:
            self._camera.release()
            self._camera = None

    def _grab(self) -> tuple[int, ImageU8] | None:
        """The next picture with its stamp; None if the camera is lost or closed, or on interruption."""
        for _ in range(LOST_AFTER):
            if self._camera is None or self._stop.is_set():
                return None
            grabbed = self._camera.grab()
            stamp_ns = self._clock.now_ns()
            if grabbed:
                done, picture = self._camera.retrieve()
                if done and picture is not None and picture.size:
                    return stamp_ns, _to_rgb(picture)
            self._losses["grab"] += 1
        return None

    def _rate(self) -> float | None:
        rate = self._camera.get(cv2.CAP_PROP_FPS) if self._camera is not None else 0.0
        return float(rate) if 0 < rate <= HIGHEST_RATE_HZ else None


def _open_quietly(index: int) -> Camera:
    """Open a device without the pages OpenCV prints about every back end that could not."""
    logging = cv2.utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        camera: Camera = cv2.VideoCapture(index)
    finally:
        logging.setLogLevel(level)
    return camera


def open_pipeline(pipeline: str) -> Camera:
    """Open a GStreamer pipeline that ends in an ``appsink``; not opened where OpenCV has no GStreamer."""
    camera: Camera = cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER)
    return camera


def _to_rgb(picture: NDArray[Any]) -> ImageU8:
    """RGB from what a driver may give: BGR, BGRA or grey."""
    if picture.ndim == 2 or picture.shape[2] == 1:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
    code = cv2.COLOR_BGRA2RGB if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(picture, code), dtype=np.uint8)


def _no_camera(index: int, devices: Path) -> SourceError:
    found = sorted(path.name for path in devices.glob("video*"))
    listed = f"devices here: {', '.join(found)}" if found else f"{devices} lists no video device"
    if f"video{index}" in found:
        return SourceError(
            f"camera {index} does not open; {listed}\n"
            "close other programs that use it, and see that your user may read it (group 'video')"
        )
    return SourceNotFound(
        f"no camera {index}; {listed}\nplug one in, give another number, or give a file or an address"
    )
