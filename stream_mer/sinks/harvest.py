"""Collects what a segment gives: its events, and counts of the time it owns."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from stream_mer.core.segments import BoxTimes, Segment, SegmentResult
from stream_mer.core.stitch import BORDER_NS
from stream_mer.core.tally import Spans, Tally
from stream_mer.sinks.event_log import EventRecord, from_line, to_line
from stream_mer.types import Box, Rejection, Result, RunSummary, SourceInfo

EDGE_NS = 500_000_000
"""Events whose apex lies up to this far outside the owned time are kept for the merging."""


class Harvest:
    """Sink that fills a ``SegmentResult``; times and losses are added by whoever ran it.

    Args:
        segment: what is owned.
        info: of the source.
    """

    def __init__(self, segment: Segment, info: SourceInfo) -> None:
        self.result = SegmentResult(segment.index, fps_nominal=info.fps_nominal)
        self._segment = segment
        self._tally = Tally()
        self._classified = Spans()
        self._seen: dict[int, None] = {}
        self._entry: dict[int, BoxTimes] = {}
        self._recent: dict[int, BoxTimes] = {}

    def write(self, result: Result) -> None:
        """Take the next result."""
        segment, now = self._segment, result.frame.pts_ns
        self._keep_events(result)
        self.result.rejected += [r for r in result.rejected if segment.owns(r.apex_ns)]
        for score in result.scores:
            half = score.duration_ns // 2
            start = max(score.centre_ns - half, segment.start_ns)
            stop = score.centre_ns + half
            stop = stop if segment.stop_ns is None else min(stop, segment.stop_ns)
            if start < stop:
                self._classified.add((start, stop))
        if result.repeated:
            return
        if now < segment.start_ns:
            self._tally.follow(result)
            if now >= segment.start_ns - BORDER_NS:
                note(self._entry, result)
        elif segment.owns(now):
            self._tally.push(replace(result, scores=(), events=()))
            self._seen.update(dict.fromkeys(track.track_id for track in result.tracks))
            if segment.stop_ns is not None and now >= segment.stop_ns - BORDER_NS:
                note(self._recent, result)

    def close(self, summary: RunSummary | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Complete the result; idempotent."""
        done, tally = self.result, self._tally
        done.frames, done.streamed_ns, done.gaps = tally.frames, tally.streamed_ns, tally.gaps
        done.compared, done.repeats = tally.compared, tally.repeats
        done.distances, done.classified_ns = tally.distances, self._classified.length
        done.tracks, done.entry, done.exit = list(self._seen), self._entry, self._recent

    def _keep_events(self, result: Result) -> None:
        segment = self._segment
        for event in result.events:
            early = event.apex_ns < segment.start_ns - EDGE_NS
            late = segment.stop_ns is not None and event.apex_ns >= segment.stop_ns + EDGE_NS
            if not early and not late:
                self.result.events.append(event)


def note(faces: dict[int, BoxTimes], result: Result) -> None:
    """Add where every face is in this result."""
    for track in result.tracks:
        faces.setdefault(track.track_id, {})[result.frame.pts_ns] = _corners(track.box)


def _corners(box: Box) -> tuple[float, float, float, float]:
    return round(box.x0, 2), round(box.y0, 2), round(box.x1, 2), round(box.y1, 2)


def to_record(result: SegmentResult) -> dict[str, Any]:
    """A result as JSON's own types."""
    return {
        "index": result.index,
        "frames": result.frames,
        "streamed_ns": result.streamed_ns,
        "gaps": result.gaps,
        "compared": result.compared,
        "repeats": result.repeats,
        "classified_ns": result.classified_ns,
        "distances": [[size, *pair] for size, pair in sorted(result.distances.items())],
        "tracks": result.tracks,
        "entry": _faces_out(result.entry),
        "exit": _faces_out(result.exit),
        "events": [to_line(EventRecord(event)) for event in result.events],
        "rejected": [asdict(rejection) for rejection in result.rejected],
        "losses": result.losses,
        "warnings": result.warnings,
        "stages": {name: list(times) for name, times in result.stages.items()},
        "first_result_s": result.first_result_s,
        "busy_s": result.busy_s,
        "fps_nominal": result.fps_nominal,
    }


def from_record(record: dict[str, Any]) -> SegmentResult:
    """The inverse of ``to_record``."""
    return SegmentResult(
        **{
            **record,
            "distances": {size: (count, total) for size, count, total in record["distances"]},
            "entry": _faces_in(record["entry"]),
            "exit": _faces_in(record["exit"]),
            "events": [from_line(line).event for line in record["events"]],
            "rejected": [Rejection(**fields) for fields in record["rejected"]],
            "stages": {name: (count, values) for name, (count, values) in record["stages"].items()},
        }
    )


def _faces_out(faces: dict[int, BoxTimes]) -> list[list[Any]]:
    return [[track, [[t, *box] for t, box in boxes.items()]] for track, boxes in faces.items()]


def _faces_in(rows: list[list[Any]]) -> dict[int, BoxTimes]:
    return {track: {t: (x0, y0, x1, y1) for t, x0, y0, x1, y1 in boxes} for track, boxes in rows}
