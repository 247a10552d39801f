"""The clip kept of an event holds the pictures around it, whatever kind of file they come from."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from odd_videos import number_of, numbered, write_video

from stream_mer.app.evidence import write_clips
from stream_mer.capture.index import is_video
from stream_mer.capture.pyav import PyAvSource
from stream_mer.types import LABELS, Event

MS = 1_000_000
COUNT = 150
"""Pictures, 40 ms each, with a key picture every 25."""
B_FRAMES = {"g": "25", "bf": "2"}


def plain(path: Path, options: dict[str, str] = B_FRAMES, codec: str = "libx264") -> Path:
    return write_video(path, [numbered(n) for n in range(COUNT)], codec=codec, options=options)


def transport(folder: Path) -> Path:
    return plain(folder / "a.ts")


def late_start(folder: Path) -> Path:
    pictures = [numbered(n) for n in range(COUNT)]
    return write_video(
        folder / "a.ts", pictures, pts=[n + 90_000 for n in range(COUNT)], time_base=Fraction(1, 25)
    )


def glued(folder: Path) -> Path:
    """Two recordings one after the other: the second one's times begin again."""
    halves = [
        write_video(folder / f"{n}.ts", [numbered(n + k) for k in range(COUNT // 2)], options=B_FRAMES)
        for n in (0, COUNT // 2)
    ]
    path = folder / "glued.ts"
    path.write_bytes(b"".join(half.read_bytes() for half in halves))
    return path


def with_a_larger_cover(folder: Path) -> Path:
    """A cover picture, as players show it for a film, is no moving picture, however large."""
    path = folder / "a.mp4"
    with av.open(str(plain(folder / "film.mp4"))) as film, av.open(str(path), "w") as out:
        given = film.streams.video[0]
        video, cover = out.add_stream_from_template(given), out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 640, 480, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(numbered(0, 640, 480), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 1)
        pictures = [*cover.encode(frame.reformat(format="yuvj420p")), *cover.encode(None)]
        for packet in film.demux(given):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)
                out.mux(pictures)
                pictures = []
    return path


def with_a_preview(folder: Path) -> Path:
    """Two tracks of the same, the small one first."""
    path = folder / "two.mkv"
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("libx264", rate=25) for _ in range(2)]
        for stream, size in zip(streams, ((48, 32), (96, 64)), strict=True):
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
        for n in range(COUNT):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(numbered(n, stream.width, stream.height), format="rgb24")
                frame.pts, frame.time_base = n, Fraction(1, 25)
                out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))
    return path


FILES: dict[str, Callable[[Path], Path]] = {
    "mp4": lambda folder: plain(folder / "a.mp4"),
    "transport stream": transport,
    "transport stream that starts late": late_start,
    "program stream": lambda folder: plain(folder / "a.mpg", codec="mpeg2video"),
    "avi without times": lambda folder: plain(folder / "a.avi"),
    "bare H.264": lambda folder: plain(folder / "a.h264"),
    "times begin again": glued,
    "larger cover": with_a_larger_cover,
    "two tracks": with_a_preview,
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("onset", [0, 60, 110, COUNT - 5], ids=["start", "middle", "late", "end"])
def test_a_clip_shows_what_is_around_its_event(tmp_path: Path, kind: str, onset: int) -> None:
    path = FILES[kind](tmp_path)
    assert is_video(path)
    source = PyAvSource(path)
    times = {frame.pts_ns: number_of(frame.rgb) for frame in source}
    source.close()
    assert len(times) == COUNT
    onset_ns = sorted(times)[onset]
    event = Event(
        "e", "", 0, 1, onset_ns, onset_ns + 80 * MS, onset_ns + 160 * MS,
        LABELS[0], 0.9, (0.9, 0.1, 0.0, 0.0, 0.0), 60.0, False,
    )  # fmt: skip
    write_clips(tmp_path / "clips", path, [event])
    clip = PyAvSource(tmp_path / "clips" / "e.mkv")
    shown = [number_of(frame.rgb) for frame in clip]
    clip.close()
    around = [n for t, n in times.items() if onset_ns - 500 * MS <= t <= onset_ns + 660 * MS]
    assert set(around) <= set(shown)
    assert shown == sorted(shown)
    assert len(shown) <= len(around) + 80  # three groups of pictures at most, and what the decoder held back
