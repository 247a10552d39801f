"""A recording as a camera's or recorder's H.264 leaves it: same frames and times, pictures decoded again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from stream_mer.app.through import Through
from stream_mer.capture.pyav import PyAvSource
from stream_mer.protocols import Source
from stream_mer.sinks.video import VideoWriter
from stream_mer.types import Frame


def coded(source: Source, crf: int) -> Through:
    """The source after H.264; it is read to its end before the first frame comes.

    Args:
        source: what is to be coded.
        crf: constant quality of x264; 18 hardly shows, 23 is its own choice, 28 looks coded.
    """
    return Through(source, partial(_coded, crf))


def _coded(crf: int, source: Source) -> Iterator[Frame]:
    with TemporaryDirectory() as folder:
        file, frames = Path(folder) / "coded.mp4", []
        writer: VideoWriter | None = None
        for frame in source:
            height, width = frame.rgb.shape[:2]
            if writer is None:
                writer = VideoWriter(file, width, height, fps_hint=source.info.fps_nominal, crf=crf)
            writer.write(frame.rgb, frame.pts_ns)
            frames.append(replace(frame, rgb=frame.rgb[:0].copy()))
        if writer is None:
            return
        writer.close()
        with closing(PyAvSource(file)) as again:
            for frame, picture in zip(frames, again, strict=True):
                yield replace(frame, rgb=picture.rgb)
