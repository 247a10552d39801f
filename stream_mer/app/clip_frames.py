"""Reads the frames of an annotated expression, from a folder of pictures or out of a video file."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from stream_mer.app.sources import open_source
from stream_mer.capture.pictures import read_picture
from stream_mer.datasets.records import ClipRecord, frame_files
from stream_mer.types import ImageU8


def read_clip(record: ClipRecord, count: int) -> list[ImageU8]:
    """So many frames, evenly over onset..offset; where there are fewer, some come twice.

    Args:
        record: whose frames.
        count: how many.

    Returns:
        ``(H, W, 3)`` uint8 each; fewer than ``count`` where files are missing or are no pictures.

    Raises:
        SourceError: the video file cannot be read.
    """
    if not record.path.is_dir():
        return _from_video(record, count)
    files = frame_files(record.path)
    chosen = _evenly([n for n in files if record.onset <= n <= record.offset], count)
    read = {n: read_picture(files[n]) for n in dict.fromkeys(chosen)}
    return [frame for n in chosen if (frame := read[n]) is not None]


def _from_video(record: ClipRecord, count: int) -> list[ImageU8]:
    inside: dict[int, ImageU8] = {}
    with closing(open_source(record.path).build()) as source:
        for number, frame in enumerate(source, record.first_frame):
            if number > record.offset:
                break
            if number >= record.onset:
                inside[number] = frame.rgb
    return [inside[n] for n in _evenly(list(inside), count)]


def _evenly(numbers: list[int], count: int) -> list[int]:
    places = np.linspace(0, len(numbers) - 1, count) if numbers else ()
    return [numbers[round(float(k))] for k in places]
