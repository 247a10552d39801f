"""Counts what went by: frames, tracks, events, and how much of the time was really classified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from stream_mer.core.metrics import Interval
from stream_mer.core.repeats import Repeats
from stream_mer.core.window_pictures import GAP_FACTOR
from stream_mer.core.windowing import NUDGED_NS
from stream_mer.types import Result

KEPT_SPANS = 256
"""Intervals a new one may still touch; those before are only a length. A stream may run for weeks."""
FORGET_FRAMES = 10_000
"""A face not shown in so many frames has long been given up: its number will not come back."""


@dataclass(slots=True)
class Spans:
    """Half-open intervals, merged as they come; memory does not grow with time."""

    merged: list[list[int]] = field(default_factory=list)
    _settled: int = 0

    def add(self, interval: Interval) -> None:
        """Add an interval that starts roughly in time order."""
        start, stop = interval
        index = len(self.merged)
        while index and self.merged[index - 1][1] >= start:
            index -= 1
        if index == len(self.merged):
            self.merged.append([start, stop])
            if len(self.merged) > KEPT_SPANS:
                old = self.merged.pop(0)
                self._settled += old[1] - old[0]
            return
        overlapping = self.merged[index:]
        later = [span for span in overlapping if span[0] > stop]
        joined = [span for span in overlapping if span[0] <= stop]
        low = min([start, *(s[0] for s in joined)])
        high = max([stop, *(s[1] for s in joined)])
        self.merged[index:] = [[low, high], *later]

    @property
    def length(self) -> int:
        """Total length covered."""
        return self._settled + sum(stop - start for start, stop in self.merged)


@dataclass(slots=True)
class Tally:
    """Running counts of one stream; ``push`` every result in order.

    ``repeats`` of ``compared`` frames with a face show the picture before them again.
    """

    frames: int = 0
    events: int = 0
    tracks: int = 0
    classified: Spans = field(default_factory=Spans)
    streamed_ns: int = 0
    gaps: int = 0
    compared: int = 0
    repeats: int = 0
    _pictures: Repeats = field(default_factory=Repeats)
    _last: tuple[int, int] | None = None
    _distances: dict[int, tuple[int, int]] = field(default_factory=dict)
    _shown: dict[int, int] = field(default_factory=dict)

    def follow(self, result: Result) -> None:
        """Only remember what comes before the first frame that counts."""
        self._again(result)
        self._last = (result.frame.epoch, result.frame.pts_ns)

    @property
    def distances(self) -> dict[int, tuple[int, int]]:
        """Frame distances in bins of 1 ms: bin -> (count, sum in ns)."""
        return dict(self._distances)

    def add(self, streamed_ns: int, gaps: int, distances: Mapping[int, tuple[int, int]]) -> None:
        """Count what another tally counted of another stretch of the same stream."""
        self.streamed_ns += streamed_ns
        self.gaps += gaps
        for size, (count, total) in distances.items():
            old = self._distances.get(size, (0, 0))
            self._distances[size] = (old[0] + count, old[1] + total)

    def push(self, result: Result) -> None:
        """Count one result."""
        self.events += len(result.events)
        if result.repeated:
            return
        self.frames += 1
        self._see(result)
        again = self._again(result)
        if again is not None:
            self.compared += 1
            self.repeats += again
        for score in result.scores:
            half = score.duration_ns // 2
            self.classified.add((score.centre_ns - half, score.centre_ns + half))
        now = (result.frame.epoch, result.frame.pts_ns)
        if self._last is not None:
            distance = now[1] - self._last[1]
            if now[0] == self._last[0]:  # an outage between two epochs was not streamed
                self.streamed_ns += distance
                usual = self.usual_distance_ns
                if usual and distance > GAP_FACTOR * usual:
                    self.gaps += 1
                if distance > NUDGED_NS:
                    # Count and sum in 1 ms bins: small for any frame rate, and the bin's mean is exact.
                    count, total = self._distances.get(distance // 1_000_000, (0, 0))
                    self._distances[distance // 1_000_000] = (count + 1, total + distance)
        self._last = now

    def _again(self, result: Result) -> bool | None:
        """Whether the largest face is the picture before it again; None where that cannot be told."""
        if not result.tracks or self._last is None or self._last[0] != result.frame.epoch:
            self._pictures = Repeats()
        if not result.tracks:
            return None
        box = max(result.tracks, key=lambda track: track.face_px).box
        return self._pictures.push(result.frame.rgb, (box.x0, box.y0), (box.x1, box.y1))

    def _see(self, result: Result) -> None:
        """Count faces by their numbers, and forget numbers in the order in which they were shown last."""
        for track in result.tracks:
            self.tracks += self._shown.pop(track.track_id, None) is None
            self._shown[track.track_id] = self.frames
        while self._shown and self.frames - self._shown[next(iter(self._shown))] > FORGET_FRAMES:
            del self._shown[next(iter(self._shown))]

    @property
    def usual_distance_ns(self) -> int:
        """Usual distance between frames: the mean of those within 1 ms of the median; 0 at first."""
        if not self._distances:
            return 0
        table = dict(self._distances)  # sinks in other threads ask while this one counts
        bins = sorted(table)
        counts = np.array([table[b][0] for b in bins]).cumsum()
        median = bins[int(np.searchsorted(counts, counts[-1] / 2))]
        near = [table[b] for b in (median - 1, median, median + 1) if b in table]
        return round(sum(total for _, total in near) / sum(count for count, _ in near))

    @property
    def fps(self) -> float:
        """Effective frame rate: one over the usual distance; 0 before the second frame."""
        usual = self.usual_distance_ns
        return 1e9 / usual if usual else 0.0

    @property
    def duration_s(self) -> float:
        """Streamed time, the last frame's own share included."""
        return (self.streamed_ns + (self.usual_distance_ns if self.frames else 0)) / 1e9

    @property
    def coverage(self) -> float:
        """Classified seconds over streamed seconds, 0..1."""
        total = self.duration_s
        return min(1.0, self.classified.length / 1e9 / total) if total else 0.0
