"""Reads files and network streams through FFmpeg, with the time every picture really has.

Decoding runs in one thread for ordinary pictures: it keeps up with hundreds of frames a second, and
FFmpeg's slice threads were seen to leave half of the damaged pictures unmarked. Files of full HD and
more use frame threads, which are exact too, except that a file damaged in its last pictures may lose
one more of them.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from av.codec.context import ThreadType
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from stream_mer.capture.address import content_digest, resolve
from stream_mer.capture.container import (
    area_px,
    duration_s,
    failure_of,
    nominal_rate,
    open_container,
    packets,
    pick_video,
)
from stream_mer.capture.ending import cut_off
from stream_mer.capture.index import Entry
from stream_mer.capture.notes import Notes
from stream_mer.capture.picture import PictureReader
from stream_mer.capture.timeline import DEFAULT_STEP_NS, Timeline
from stream_mer.errors import SourceDamaged
from stream_mer.types import Frame, SourceInfo

FRAME_THREADS_FROM_PX = 1920 * 1080
"""Pictures at least this big are decoded by several threads, if they come from a file."""
GIVE_UP_AFTER = 100
"""Reads that fail one after the other before the rest of a file counts as unreadable."""


class PyAvSource:
    """Frames of a file or of an address, upright, RGB, with exact times.

    Opening decodes the first picture, so a source that was built has something to show. The rules
    for bad time stamps are those of `stream_mer.capture.timeline`. A file loses nothing that can be
    decoded: a damaged picture that the decoder concealed is delivered and mentioned in ``warnings``;
    what could not be decoded at all is counted in ``losses`` under ``corrupt``, what lies beyond the
    end of a cut file under ``truncated`` (as far as its index tells).

    Args:
        address: Path, or address (see `stream_mer.capture.address`).
        live: The address delivers in real time; its end is an outage, not an end.
        open_timeout_s: Longest wait for an address to answer, seconds.
        read_timeout_s: Longest silence of an address while it is read, seconds; also how late
            `interrupt` may take effect.
        entry: Begin there instead of at the file's start; times and numbers stay those of the file.
        digest: sha256 of the file, if it is known already; days of video take minutes to read.

    Raises:
        SourceNotFound: There is nothing there.
        SourceRefused: Wrong credentials, or access forbidden.
        SourceDamaged: It opened, but holds no picture that can be decoded.
        SourceError: It cannot be opened or read.
    """

    def __init__(
        self,
        address: str | Path,
        *,
        live: bool = False,
        open_timeout_s: float = 5.0,
        read_timeout_s: float = 2.0,
        entry: Entry | None = None,
        digest: str | None = None,
    ) -> None:
        self._opening = resolve(address, read_timeout_s)
        self._live = live
        self._stop = threading.Event()
        self._losses: Counter[str] = Counter()
        self._notes = Notes()
        self._reader = PictureReader(self._opening.name, self._notes)
        self._entry = entry
        self._index = entry.rank if entry else 0
        self._last_ns = 0
        self._packets = self._index
        self._draining = False
        self._end_s: Fraction | None = None
        self._first: Frame | None = None
        self._pictures: Generator[VideoFrame, None, None] | None = None
        digest = digest or content_digest(self._opening)
        timeout = None if self._opening.path else (open_timeout_s, read_timeout_s)
        self._container: InputContainer | None = open_container(self._opening, timeout)
        with ExitStack() as undo:
            undo.callback(self.close)
            self._stream = pick_video(self._container, self._opening.name)
            many = self._opening.path is not None and area_px(self._stream) >= FRAME_THREADS_FROM_PX
            self._stream.thread_type = ThreadType.FRAME if many else ThreadType.NONE
            self._rate = nominal_rate(self._stream)
            step_ns = round(1e9 / self._rate) if self._rate else DEFAULT_STEP_NS
            self._timeline = Timeline(step_ns, live=live, origin_s=entry.origin_s if entry else None)
            if entry is not None:
                self._container.seek(entry.place, stream=self._stream)
            self._pictures = self._decode()
            picture = next(self._pictures, None)
            if picture is None:
                raise self._no_picture()
            self._first = first = self._frame(picture)
            undo.pop_all()
        height, width, _ = first.rgb.shape
        frames = None if live else self._stream.frames or None
        length_s = None if live else duration_s(self._container, self._stream)
        self._info = SourceInfo(self._opening.name, digest, width, height, self._rate, frames, length_s, live)

    @property
    def info(self) -> SourceInfo:
        """What the source says about itself; sizes are those of the first picture, turned upright."""
        return self._info

    @property
    def losses(self) -> Mapping[str, int]:
        """Pictures lost so far: ``corrupt`` (not decodable), ``truncated`` (beyond the cut)."""
        return MappingProxyType(dict(self._losses))

    @property
    def packets(self) -> int:
        """Packets of the video read so far; a decoder may have been given more than it has shown."""
        return self._packets

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should know so far; complete when the iteration has ended."""
        return self._notes.lines()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames once; see `stream_mer.protocols.Source`."""
        first, self._first = self._first, None
        if first is not None and not self._stop.is_set():
            yield first
        for picture in self._pictures or ():
            if self._stop.is_set():
                return
            yield self._frame(picture)

    def interrupt(self) -> None:
        """End the iteration: at once between frames, within ``read_timeout_s`` while data is awaited.

        Callable from any thread.
        """
        self._stop.set()

    def close(self) -> None:
        """Free the decoder and the file or connection; idempotent."""
        if self._pictures is not None:
            self._pictures.close()
        self._first = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def _decode(self) -> Generator[VideoFrame, None, None]:
        """Decoded pictures until the end; for files, trouble on the way is counted, not raised."""
        whole_file = self._opening.path is not None
        failures = 0
        while not self._stop.is_set() and self._container is not None:
            try:
                # Of a file all streams are read: only the longest of them shows where it was cut.
                wanted = () if whole_file else (self._stream,)
                for packet in packets(self._container, *wanted):
                    failures = 0
                    if self._stop.is_set():
                        return
                    yield from self._decode_packet(packet)
                break
            except FFmpegError as error:
                failure = failure_of(error, self._opening, self._last_ns / 1e9)
            if not whole_file:
                if self._stop.is_set():
                    return
                raise failure
            failures += 1
            self._notes.add("unreadable", self._last_ns)
            if failures >= GIVE_UP_AFTER:
                break
        if whole_file and not self._stop.is_set():
            self._check_end()

    def _decode_packet(self, packet: Packet[Stream]) -> Iterator[VideoFrame]:
        base = packet.time_base
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None and base:
            end_s = (stamp + (packet.duration or 0)) * base
            self._end_s = end_s if self._end_s is None else max(self._end_s, end_s)
        if packet.stream.index != self._stream.index:  # the flushing packet has no index of its own
            return
        self._draining = packet.size == 0
        self._packets += not self._draining
        try:
            pictures = self._stream.decode(packet)
        except EOFError:
            return  # flushed a second time, after a failed read
        except FFmpegError:
            self._losses["corrupt"] += 1
            return
        for picture in pictures:
            if self._entry is not None and picture.pts is not None and picture.pts < self._entry.first:
                self._index += picture.pts >= self._entry.key  # open groups show some before their key
            else:
                yield picture

    def _frame(self, picture: VideoFrame) -> Frame:
        ticks = picture.dts if picture.pts is None else picture.pts
        base = picture.time_base or self._stream.time_base or Fraction(1, 1000)
        stamp = self._timeline.place(None if ticks is None else ticks * base, time.monotonic_ns())
        # No fault: the last pictures of a file without presentation times have no time at all, and an
        # RTSP camera's first one has none before the clocks are matched.
        usual = self._draining if self._index else self._live
        if stamp.mended and not (stamp.mended == "missing" and usual):
            self._notes.add(stamp.mended, stamp.pts_ns)
        if picture.is_corrupt:
            self._notes.add("concealed", stamp.pts_ns)
        if picture.interlaced_frame:
            self._notes.add("interlaced", stamp.pts_ns)
        rgb = self._reader.read(picture, stamp.pts_ns)
        frame = Frame(self._index, stamp.pts_ns, rgb, stamp.epoch)
        self._index += 1
        self._last_ns = stamp.pts_ns
        return frame

    def _check_end(self) -> None:
        """Say what is missing at the end of a file."""
        if self._container is None or self._opening.path is None:
            return
        words = cut_off(self._container, self._stream, self._end_s, self._rate, self._opening.path)
        if words is None:
            return
        self._notes.say(words)
        if self._container.format.name != "avi" and self._stream.frames > self._packets:
            self._losses["truncated"] = self._stream.frames - self._packets

    def _no_picture(self) -> SourceDamaged:
        codec = self._stream.codec_context.name
        return SourceDamaged(
            f"{self._opening.name!r} holds a video stream ({codec}), but not one picture could be decoded\n"
            f"{self._packets} packets were read; copy or record it again"
        )
