"""Decides what kind of source a user's word means, and how to open it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stream_mer.capture.address import is_address, resolve
from stream_mer.capture.clock import MonotonicClock
from stream_mer.capture.gstreamer import CSI, GStreamerCamera, is_gstreamer, pipeline_for
from stream_mer.capture.opencv import OpenCvCamera
from stream_mer.capture.paced import PacedSource
from stream_mer.capture.pyav import PyAvSource
from stream_mer.capture.reconnect import LinkChange, ReconnectingSource
from stream_mer.errors import ConfigError
from stream_mer.protocols import Source

VIDEO_SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("mp4", "mov", "m4v", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "m2ts"),
        *("mts", "wmv", "flv", "3gp", "ogv", "mxf", "vob", "asf"),
    )
)
"""What is taken from a folder; a file named on the command line may be called anything."""


CAMERA_DIGITS = 3
"""Longer numbers are no camera; they are looked for as files."""
OUTPUTS = ("events.jsonl", "rejected.jsonl", "overlay.mp4", "run.json")
"""What a run writes into its folder."""
EVIDENCE, PARTS, THUMBNAILS = "evidence", "overlay.parts", "thumbnails"
"""The folders there may be in it."""


@dataclass(frozen=True, slots=True)
class SourceRecipe:
    """How to open a source.

    ``live``: frames may be lost when the rest is too slow. ``drain``: it delivers whether one reads or
    not. ``file``: the file it reads, if any.
    """

    build: Callable[[], Source]
    live: bool
    drain: bool = False
    file: Path | None = None


def open_source(
    word: str | Path | int, *, paced: bool = False, observe: Callable[[LinkChange], None] = lambda _: None
) -> SourceRecipe:
    """The recipe for a camera number, an address, or a file.

    Args:
        word: ``0`` or ``"0"`` is a camera, ``scheme://...`` an address, anything else a file.
        paced: play a file at its own pace as if it were a camera.
        observe: told when the connection to an address is lost and made again.

    Raises:
        StreamMerError: it can never be opened, whatever the camera does.
    """
    text = str(word)
    if text.isdecimal() and len(text) <= CAMERA_DIGITS and not Path(text).exists():
        return SourceRecipe(lambda: OpenCvCamera(int(text), clock=MonotonicClock()), live=True, drain=True)
    if is_gstreamer(text):
        pipeline_for(text)  # a wrong word is a matter of usage, not of the camera
        camera = partial(GStreamerCamera, text, clock=MonotonicClock())
        again = partial(_reconnecting, camera, observe)
        return SourceRecipe(camera if text.startswith(CSI) else again, live=True, drain=True)
    if is_address(text):
        resolve(text, 1.0)  # a scheme that is not accepted will not be tomorrow
        connect = partial(PyAvSource, text, live=True)
        return SourceRecipe(partial(_reconnecting, connect, observe), live=True, drain=True)
    if paced:
        return SourceRecipe(
            lambda: PacedSource(PyAvSource(text), MonotonicClock()), live=True, file=Path(text)
        )
    return SourceRecipe(lambda: PyAvSource(text), live=False, file=Path(text))


def _reconnecting(connect: Callable[[], Source], observe: Callable[[LinkChange], None]) -> Source:
    """A fresh one for every run: a clock that one run's end has interrupted stays so for good."""
    return ReconnectingSource(connect, MonotonicClock(), observe=observe)


def require_apart(source: Path | None, folder: Path) -> None:
    """Refuse to write where the input lies under the name of an output.

    Raises:
        ConfigError: an output would replace the input.
    """
    for name in OUTPUTS:
        target = folder / name
        if source is not None and source.exists() and target.exists() and target.samefile(source):
            raise ConfigError(
                f"{target} is the input itself and would be overwritten.\n"
                "Choose another folder for the outputs."
            )
