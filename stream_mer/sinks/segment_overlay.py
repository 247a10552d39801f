"""Writes one segment's share of the overlay, with the names that faces have in the whole file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from stream_mer.core.segments import BoxTimes, Segment
from stream_mer.core.stitch import BORDER_NS, Names, Renaming
from stream_mer.sinks.harvest import note
from stream_mer.sinks.history import DrawSettings
from stream_mer.sinks.overlay import Painter
from stream_mer.sinks.video import NO_OVERLAY, VideoWriter
from stream_mer.types import ImageU8, Result, RunSummary


class SegmentOverlay:
    """Sink that draws the frames a segment owns, and leaves the file under its name only when it is whole.

    Args:
        path: where the finished part lies.
        segment: what is owned.
        names: what the segments before have named.
        settings: how it looks.
        fps_hint: rough frame rate.
    """

    def __init__(
        self, path: Path, segment: Segment, names: Names, settings: DrawSettings, fps_hint: float | None
    ) -> None:
        self._path, self._segment, self._names = path, segment, names
        self._half = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._painter = Painter(settings)
        self._fps_hint = fps_hint
        self._entry: dict[int, BoxTimes] = {}
        self._before: list[Result] = []
        self._renaming: Renaming | None = None
        self._writer: VideoWriter | None = None

    def write(self, result: Result) -> None:
        """Remember, draw or leave out one result.

        Raises:
            OutputError: disk full.
        """
        now = result.frame.pts_ns
        if result.repeated or (self._segment.stop_ns is not None and now >= self._segment.stop_ns):
            return
        if now < self._segment.start_ns:
            if now >= self._segment.start_ns - BORDER_NS:
                note(self._entry, result)
            # The score strip shows the last seconds; their pictures are not needed for that.
            blank = np.broadcast_to(np.uint8(0), result.frame.rgb.shape)
            self._before.append(replace(result, frame=replace(result.frame, rgb=blank), crops=()))
            return
        if self._renaming is None:
            self._renaming = self._names.enter(self._entry, self._segment.index)
            for past in self._before:
                self._painter.remember(self._renamed(past))
            self._before.clear()
        for track in result.tracks:
            self._renaming.name(track.track_id)
        picture = self._painter.paint(self._renamed(result))
        if self._writer is None:
            self._writer = self._start(picture)
        self._writer.write(picture, self._painter.now_ns)

    def close(self, summary: RunSummary | None) -> None:
        """Finish the part and put it in its place, or remove it if the run failed; idempotent.

        Raises:
            OutputError: the end could not be written.
        """
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        writer.close()
        if summary is None or summary.interrupted:
            self._half.unlink(missing_ok=True)
            return
        with self._half.open("rb") as written:
            os.fsync(written.fileno())
        self._half.replace(self._path)

    def _start(self, picture: ImageU8) -> VideoWriter:
        height, width = picture.shape[:2]
        return VideoWriter(self._half, width, height, fps_hint=self._fps_hint, without=NO_OVERLAY)

    def _renamed(self, result: Result) -> Result:
        """The result with the file's names; of faces that were never in the owned time nothing is shown."""
        known = self._renaming.known if self._renaming else {}
        return replace(
            result,
            tracks=tuple(
                replace(t, track_id=known[t.track_id]) for t in result.tracks if t.track_id in known
            ),
            crops=tuple(
                replace(c, track=replace(c.track, track_id=known[c.track.track_id]))
                for c in result.crops
                if c.track.track_id in known
            ),
            scores=tuple(
                replace(s, track_id=known[s.track_id]) for s in result.scores if s.track_id in known
            ),
            events=tuple(
                replace(e, track_id=known[e.track_id]) for e in result.events if e.track_id in known
            ),
            rejected=tuple(
                replace(r, track_id=known[r.track_id]) for r in result.rejected if r.track_id in known
            ),
        )
