"""Decides what kind of source a user's word means, and how to open it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stream_mer.capture.address import is_address
from stream_mer.capture.clock import MonotonicClock
from stream_mer.capture.opencv import OpenCvCamera
from stream_mer.capture.paced import PacedSource
from stream_mer.capture.pyav import PyAvSource
from stream_mer.capture.reconnect import ReconnectingSource
from stream_mer.errors import SourceError, SourceNotFound
from stream_mer.protocols import Source

VIDEO_SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("mp4", "mov", "m4v", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "m2ts"),
        *("mts", "wmv", "flv", "3gp", "ogv", "mxf", "vob", "asf"),
    )
)
"""What is taken from a folder; a file named on the command line may be called anything."""


@dataclass(frozen=True, slots=True)
class SourceRecipe:
    """How to open a source, and whether frames may be lost when the rest is too slow."""

    build: Callable[[], Source]
    live: bool


def open_source(word: str | Path | int, *, paced: bool = False) -> SourceRecipe:
    """The recipe for a camera number, an address, or a file.

    Args:
        word: ``0`` or ``"0"`` is a camera, ``scheme://...`` an address, anything else a file.
        paced: play a file at its own pace as if it were a camera.
    """
    text = str(word)
    if text.isdecimal() and not Path(text).exists():
        return SourceRecipe(lambda: OpenCvCamera(int(text), clock=MonotonicClock()), live=True)
    if is_address(text):
        return SourceRecipe(
            lambda: ReconnectingSource(lambda: PyAvSource(text, live=True), MonotonicClock()), live=True
        )
    if paced:
        return SourceRecipe(lambda: PacedSource(PyAvSource(text), MonotonicClock()), live=True)
    return SourceRecipe(lambda: PyAvSource(text), live=False)


def expand_inputs(words: list[str]) -> list[Path]:
    """Files as they are, folders as the video files directly or deeper in them, sorted.

    Raises:
        SourceNotFound: a path does not exist.
        SourceError: a folder without a video file.
    """
    files: list[Path] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file())
            if not inside:
                raise SourceError(
                    f"folder {path} holds no video file.\n"
                    f"Give a file, or a folder with one of: {' '.join(sorted(VIDEO_SUFFIXES))}"
                )
            files += inside
        elif path.exists():
            files.append(path)
        else:
            raise SourceNotFound(f"there is no file or folder {path}.\nCheck the spelling and the folder.")
    return files
