"""A recording as a camera's or recorder's H.264 leaves it: same frames and times, pictures decoded again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from stream_mer.capture.pyav import PyAvSource
from stream_mer.protocols import Source
from stream_mer.sinks.video import VideoWriter
from stream_mer.types import Frame, SourceInfo


@dataclass(slots=True)
class CodedSource:
    """A Source around another one, read to its end before its first frame comes.

    Args:
        source: what is to be coded.
        crf: constant quality of x264; 18 hardly shows, 23 is its own choice, 28 looks coded.
    """

    source: Source
    crf: int

    @property
    def info(self) -> SourceInfo:
        return self.source.info

    @property
    def losses(self) -> Mapping[str, int]:
        return self.source.losses

    @property
    def warnings(self) -> Sequence[str]:
        return self.source.warnings

    def __iter__(self) -> Iterator[Frame]:
        with TemporaryDirectory() as folder:
            file, frames = Path(folder) / "coded.mp4", []
            writer: VideoWriter | None = None
            for frame in self.source:
                height, width = frame.rgb.shape[:2]
                if writer is None:
                    writer = VideoWriter(file, width, height, fps_hint=self.info.fps_nominal, crf=self.crf)
                writer.write(frame.rgb, frame.pts_ns)
                frames.append(replace(frame, rgb=frame.rgb[:0].copy()))
            if writer is None:
                return
            writer.close()
            with closing(PyAvSource(file)) as coded:
                for frame, again in zip(frames, coded, strict=True):
                    yield replace(frame, rgb=again.rgb)

    def interrupt(self) -> None:
        self.source.interrupt()

    def close(self) -> None:
        self.source.close()
