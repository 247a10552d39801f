"""What the dashboard shows of one camera: the latest picture, recent scores, the last events.

One thread writes (the sink's), any number read (the server's); every method takes the lock for
microseconds and waits for nobody. No web library is needed here.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from stream_mer.types import LABELS, Event, Result

SECOND = 1_000_000_000
SCORES_S = 12
"""Seconds of scores that are kept; the page shows ten."""
EVENTS = 100
WATCHED_NS = 2 * SECOND
"""A picture asked for this recently means somebody is looking; nobody looking, nothing is encoded."""
FRESH_NS = 5 * SECOND
"""A live source silent for longer is not ready."""
FPS_NS = 3 * SECOND

VERDICTS = ("accept", "reject", "")
"""What a reviewer may say of an event; nothing takes it back."""
MOMENTS = ("onset", "apex", "offset")

Phase: TypeAlias = Literal["waiting", "running", "ended", "failed"]


@dataclass(slots=True)
class _Stream:
    """The part that changes, guarded by the lock."""

    phase: Phase = "waiting"
    frames: int = 0
    events: int = 0
    time_ns: int = 0
    run: int = 0
    epoch: int = 0
    seen_ns: int = 0
    size: tuple[int, int] = (0, 0)
    tracks: list[dict[str, float]] = field(default_factory=list)
    scores: dict[int, dict[int, float]] = field(default_factory=dict)
    recent: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=EVENTS))
    arrivals: deque[int] = field(default_factory=deque)
    status: dict[str, float | int | None] = field(default_factory=dict)
    picture: bytes = b""
    picture_number: int = 0
    wanted_ns: int | None = None
    note: str = ""
    thumbnails: dict[str, tuple[bytes, ...]] = field(default_factory=dict)


class LiveState:
    """Thread-safe holder of one camera's latest values.

    Args:
        name: shown to people; credentials must be out of it already.
        threshold: probability from which a candidate is an event, drawn as a dashed line, 0..1.
        clock_ns: monotonic wall clock in ns.
    """

    def __init__(
        self, name: str, *, threshold: float = 0.5, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.name = name
        self.threshold = threshold
        self._clock_ns = clock_ns
        self._lock = threading.Lock()
        self._stream = _Stream()

    def publish(self, result: Result, status: Mapping[str, float | int | None] | None = None) -> None:
        """Take a result. ``status`` may hold ``coverage``, ``dropped`` and ``latency_ms``."""
        with self._lock:
            stream, now = self._stream, self._clock_ns()
            again = stream.phase in ("ended", "failed")
            if stream.phase != "running":  # why there were no pictures is over
                stream.note = ""
            stream.phase, stream.seen_ns = "running", now
            if again or result.frame.epoch != stream.epoch:  # old scores have no place on the new time line
                stream.scores.clear()
                stream.run, stream.epoch = stream.run + again, result.frame.epoch
            if not result.repeated:
                stream.frames += 1
                stream.arrivals.append(now)
            while stream.arrivals and now - stream.arrivals[0] > FPS_NS:
                stream.arrivals.popleft()
            stream.time_ns = result.frame.pts_ns
            height, width = result.frame.rgb.shape[:2]
            stream.size = (int(width), int(height))
            stream.tracks = [{"id": t.track_id, "face_px": round(t.face_px, 1)} for t in result.tracks]
            if status is not None:
                stream.status = dict(status)
            for score in result.scores:
                if score.epoch == stream.epoch:
                    curve = stream.scores.setdefault(score.track_id, {})
                    curve[score.centre_ns] = max(score.event_probability, curve.get(score.centre_ns, 0.0))
            oldest = stream.time_ns - SCORES_S * SECOND
            stream.scores = {
                track: kept
                for track, curve in stream.scores.items()
                if (kept := {at: p for at, p in curve.items() if at >= oldest})
            }
            stream.events += len(result.events)
            stream.recent.extend(_event(event, stream.run, now) for event in result.events)

    def publish_picture(self, jpeg: bytes) -> None:
        """Take the newest picture, already encoded."""
        with self._lock:
            self._stream.picture = jpeg
            self._stream.picture_number += 1

    def say(self, note: str) -> None:
        """Tell viewers how the camera fares, in one line without credentials; empty: nothing to tell."""
        with self._lock:
            self._stream.note = note

    def keep_thumbnails(self, event_id: str, pictures: tuple[bytes, ...]) -> None:
        """Take the JPEG pictures of an event at onset, apex and offset."""
        with self._lock:
            kept = self._stream.thumbnails
            kept[event_id] = pictures
            if len(kept) > EVENTS:
                del kept[next(iter(kept))]

    def thumbnail(self, event_id: str, moment: str) -> bytes | None:
        """One of those pictures, if there is one."""
        with self._lock:
            pictures = self._stream.thumbnails.get(event_id)
        known = pictures is not None and moment in MOMENTS
        return pictures[MOMENTS.index(moment)] if pictures is not None and known else None

    def review(self, event_id: str, verdict: str) -> bool:
        """Remember a reviewer's verdict (of ``VERDICTS``); False if no recent event has this id."""
        with self._lock:
            mine = [event for event in self._stream.recent if event["id"] == event_id]
            for event in mine:
                event["review"] = verdict
        return bool(mine)

    def finish(self, *, failed: bool = False) -> None:
        """The stream is over; viewers are told and picture streams end."""
        with self._lock:
            self._stream.phase = "failed" if failed else "ended"

    @property
    def finished(self) -> bool:
        with self._lock:
            return self._stream.phase in ("ended", "failed")

    @property
    def watched(self) -> bool:
        """True while somebody has asked for a picture in the last two seconds."""
        with self._lock:
            wanted = self._stream.wanted_ns
            return wanted is not None and self._clock_ns() - wanted <= WATCHED_NS

    def picture(self) -> tuple[int, bytes]:
        """The newest picture and its number (0: there is none yet); asking keeps pictures coming."""
        with self._lock:
            self._stream.wanted_ns = self._clock_ns()
            return self._stream.picture_number, self._stream.picture

    def ready(self) -> str | None:
        """None if results are coming, else the reason why they are not."""
        with self._lock:
            if self._stream.phase == "waiting":
                return "no frame yet"
            if self._stream.phase != "running":
                return self._stream.phase
            silent = self._clock_ns() - self._stream.seen_ns
            return f"silent for {silent / SECOND:.0f} s" if silent > FRESH_NS else None

    def snapshot(self) -> dict[str, Any]:
        """Everything but the picture, in JSON's own types; the caller's to keep."""
        with self._lock:
            stream, now = self._stream, self._clock_ns()
            span = stream.arrivals[-1] - stream.arrivals[0] if len(stream.arrivals) > 1 else 0
            return {
                "name": self.name,
                "phase": stream.phase,
                "age_ms": round((now - stream.seen_ns) / 1e6) if stream.frames else None,
                "frames": stream.frames,
                "fps": round((len(stream.arrivals) - 1) * SECOND / span, 1) if span else None,
                "time_s": stream.time_ns / SECOND,
                "run": stream.run,
                "epoch": stream.epoch,
                "width": stream.size[0],
                "height": stream.size[1],
                "threshold": self.threshold,
                "coverage": stream.status.get("coverage"),
                "dropped": stream.status.get("dropped"),
                "latency_ms": stream.status.get("latency_ms"),
                "tracks": list(stream.tracks),
                "scores": {
                    str(track): [[round(at / SECOND, 3), round(p, 3)] for at, p in sorted(curve.items())]
                    for track, curve in sorted(stream.scores.items())
                },
                "note": stream.note,
                "events": [
                    {**event, "thumbnails": event["id"] in stream.thumbnails} for event in stream.recent
                ],
                "events_total": stream.events,
            }


def _event(event: Event, run: int, now_ns: int) -> dict[str, Any]:
    """``decided_s`` orders the events of all cameras: their own times begin anew with every run."""
    return {
        "id": event.id,
        "decided_s": now_ns / SECOND,
        "run": run,
        "epoch": event.epoch,
        "track_id": event.track_id,
        "onset_s": event.onset_ns / SECOND,
        "apex_s": event.apex_ns / SECOND,
        "offset_s": event.offset_ns / SECOND,
        "label": event.label,
        "review": "",
        "probability": round(event.probability, 4),
        "probabilities": {name: round(p, 4) for name, p in zip(LABELS, event.probabilities, strict=True)},
    }
