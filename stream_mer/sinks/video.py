"""Writes H.264 video in which every frame keeps its own time, and which survives being killed.

The file lies under its final name from the first byte: it is a fragmented MP4, so what is on the
disk can be played at any moment, also after SIGKILL or a power cut (up to one fragment, about a
second, is lost). A temporary name would hide exactly the recording that one wants back. On a clean
close it is rewritten in place into an ordinary, seekable MP4.
"""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from stream_mer.errors import OutputError
from stream_mer.types import ImageU8

TIME_BASE = Fraction(1, 90_000)
"""Clock of the written file. 25, 30, 29.97, 50, 60 and 1000 fps are whole ticks of it; anything else is
right to 5.6 us and never drifts. Source: the RTP and MPEG clock, RFC 6184."""
NO_OVERLAY = "--no-overlay"
"""By which runs write no overlay."""

ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"preset": "veryfast", "tune": "zerolatency"}),
    ("libopenh264", {}),
)
"""Tried in this order; PyAV's wheels have the first, FFmpeg builds without GPL parts the second.
``zerolatency`` has neither B-frames nor look-ahead: presentation order is storage order (so the time
stamps are simply ours) and a frame is on its way to disk at once."""

HYBRID_SINCE = (61, 7, 100)
"""libavformat from which ``hybrid_fragmented`` exists (FFmpeg 7.1)."""


class VideoWriter:
    """An MP4 file being written, one picture at a time.

    Args:
        path: file to write; its folder is made, an older file is replaced.
        width, height: size of the first picture, px. Odd sizes get one repeated row or column, since
            H.264 in 4:2:0 has none; later pictures of another size are fitted in with black bars.
        fps_hint: rough frame rate; it only sets how often a key frame (and so a fragment) starts and
            how long the last picture stays. The times themselves come with each picture.
        time_base: tick of the written file, seconds.
        threads: encoder threads; 1 is fastest where the pipeline already uses every core.
        crf: constant quality of x264, 0 (lossless) to 51; other encoders have their own.
        without: the flag by which the program writes no such video, to be named when it cannot.

    Raises:
        OutputError: the file cannot be created, or this FFmpeg has no encoder for it.
    """

    def __init__(
        self,
        path: Path | str,
        width: int,
        height: int,
        *,
        fps_hint: float | None = None,
        time_base: Fraction = TIME_BASE,
        threads: int = 1,
        crf: int = 20,
        without: str = "",
    ) -> None:
        self.path = Path(path)
        self._way_out = f", or run with {without}" if without else ""
        self.frames = 0
        self._width, self._height = width, height
        self._time_base = time_base
        fps = fps_hint if fps_hint and 1 <= fps_hint <= 1000 else 25.0
        self._last = -1
        self._duration = max(1, round(1 / (fps * time_base)))
        self._shift = 0
        self._closed = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.open("wb").close()  # FFmpeg opens late; a bad place should be known at the start
            self._container = av.open(str(self.path), "w", format="mp4", container_options=_muxing())
        except (OSError, av.error.FFmpegError) as error:
            raise self._error("create", error) from error
        try:
            self._stream = self._open_stream(fps, threads, crf)
            self._stream.codec_context.open()  # the header waits: ending a file without a picture would crash
        except (OSError, ValueError, av.error.FFmpegError) as error:
            self._abandon()
            raise self._error("create", error) from error

    def _open_stream(self, fps: float, threads: int, crf: int) -> av.VideoStream:
        name, options = next((encoder for encoder in ENCODERS if encoder[0] in av.codecs_available), ("", {}))
        if not name:
            raise ValueError("this build of FFmpeg has no H.264 encoder")
        options = {**options, "crf": str(crf)} if name == "libx264" else options
        rate = Fraction(fps).limit_denominator(1001)
        stream: av.VideoStream = self._container.add_stream(name, rate=rate, options=options)  # type: ignore[assignment]
        stream.width, stream.height = self._width + self._width % 2, self._height + self._height % 2
        stream.pix_fmt = "yuv420p"
        stream.time_base = self._time_base
        codec = stream.codec_context
        codec.time_base = self._time_base
        codec.gop_size = int(min(max(round(fps), 5), 60))
        codec.max_b_frames = 0
        codec.thread_count = threads
        # Said in the file, so that no player has to guess the matrix from the picture's size.
        codec.colorspace, codec.color_range = Colorspace.ITU709, ColorRange.MPEG
        codec.color_primaries, codec.color_trc = 1, 1
        return stream

    def write(self, rgb: ImageU8, pts_ns: int) -> None:
        """Append one picture.

        Args:
            rgb: ``(H, W, 3)`` uint8.
            pts_ns: its time in ns, from whatever start the first picture has (the file starts at 0).
                Should time stand still or jump back (a reconnected source), the file's own time
                goes on by one frame from there: no picture is ever dropped.

        Raises:
            OutputError: disk full, or the writer is closed.
        """
        if self._closed:
            raise OutputError(f"the video {self.path} is already closed; nothing can be added to it")
        tick = _round_div(pts_ns * self._time_base.denominator, 10**9 * self._time_base.numerator)
        if self.frames == 0:
            self._shift = -tick
        elif tick + self._shift <= self._last:
            self._shift = self._last + self._duration - tick
        else:  # how long the last picture of all will stay: as long as the one before, a second at most
            self._duration = min(tick + self._shift - self._last, int(1 / self._time_base))
        self._last = tick + self._shift
        frame = self._encodable(rgb)
        frame.pts, frame.time_base, frame.duration = self._last, self._time_base, self._duration
        try:
            self._container.mux(self._stream.encode(frame))
        except (OSError, av.error.FFmpegError) as error:
            self._abandon()
            raise self._error("write", error) from error
        self.frames += 1

    def close(self) -> None:
        """Write what the encoder still holds and finish the file; idempotent.

        Raises:
            OutputError: the end could not be written; what was written before stays playable.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if self.frames:
                self._container.mux(self._stream.encode(None))
            self._container.close()
        except (OSError, av.error.FFmpegError) as error:
            self._abandon()
            raise self._error("finish", error) from error

    def _encodable(self, rgb: ImageU8) -> av.VideoFrame:
        if rgb.shape[:2] != (self._height, self._width):
            rgb = _letterbox(rgb, self._width, self._height)
        odd_h, odd_w = rgb.shape[0] % 2, rgb.shape[1] % 2
        if odd_h or odd_w:
            rgb = np.pad(rgb, ((0, odd_h), (0, odd_w), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        return frame.reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )

    def _abandon(self) -> None:
        """Let go of the file after a failure; a second failure on the way says nothing new."""
        self._closed = True
        with contextlib.suppress(OSError, av.error.FFmpegError):
            self._container.close()

    def _error(self, verb: str, error: Exception) -> OutputError:
        reason = getattr(error, "strerror", None) or str(error)
        return OutputError(
            f"cannot {verb} the video {self.path}: {reason}\n"
            f"free some space or choose another folder with --out{self._way_out}"
        )


def _round_div(numerator: int, denominator: int) -> int:
    """Nearest integer to a quotient, in integers only: ns of a week-long stream exceed a float."""
    return (2 * numerator + denominator) // (2 * denominator)


def _muxing() -> dict[str, str]:
    hybrid = av.library_versions.get("libavformat", (0, 0, 0)) >= HYBRID_SINCE
    # Without flush_packets FFmpeg holds whole fragments back in its own buffer, and a kill loses them.
    return {
        "movflags": "hybrid_fragmented" if hybrid else "frag_keyframe+empty_moov",
        "flush_packets": "1",
    }


def _letterbox(rgb: ImageU8, width: int, height: int) -> ImageU8:
    """``rgb`` scaled to fit ``width x height``, centred on black."""
    h, w = rgb.shape[:2]
    scale = min(width / w, height / h)
    new_w, new_h = max(1, round(w * scale)), max(1, round(h * scale))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    out = np.zeros((height, width, 3), np.uint8)
    y, x = (height - new_h) // 2, (width - new_w) // 2
    fitted = frame.reformat(width=new_w, height=new_h, format="rgb24").to_ndarray()
    out[y : y + new_h, x : x + new_w] = fitted
    return out
