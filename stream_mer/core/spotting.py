"""From scores to events: peaks of the classifier's probability, one event each, causally.

Scores of all lengths that overlap in time compete; the strongest wins and its neighbours sharpen its
limits. An event is given out once no score still to come could overlap it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from stream_mer.core.metrics import interval_iou
from stream_mer.types import LABELS, Event, Score

SUPPORT_IOU = 0.5
"""Scores whose interval overlaps the winner's this much have a say in its limits."""
SUPPORT_SHARE = 0.6
"""... if they reach this share of its probability."""


@dataclass(frozen=True, slots=True)
class SpotterSettings:
    """When a score becomes an event.

    ``threshold`` is on the probability that any micro-expression is there. ``hold_ns`` is how long
    after a candidate's offset a stronger overlapping score may still arrive.
    """

    threshold: float
    min_ns: int
    max_ns: int
    hold_ns: int


@dataclass(slots=True)
class _Candidate:
    best: Score
    members: list[Score]


@dataclass(slots=True)
class Spotter:
    """Turns the scores of all tracks of one source into events.

    Args:
        settings: thresholds and times.
        source: name written into events.
        digest: identity of the source's content, goes into event ids.
    """

    settings: SpotterSettings
    source: str
    digest: str
    _open: dict[tuple[int, int, int], _Candidate] = field(default_factory=dict)

    def push(self, scores: Iterable[Score], now_ns: int) -> list[Event]:
        """Take new scores; give the events that can no longer change at stream time ``now_ns``."""
        events: list[Event] = []
        for score in scores:
            if score.event_probability < self.settings.threshold:
                continue
            key = (score.track_id, score.segment, score.epoch)
            candidate = self._open.get(key)
            if candidate is not None and not _overlap(score, candidate.best):
                events.append(self._event(self._open.pop(key)))
                candidate = None
            if candidate is None:
                self._open[key] = _Candidate(score, [score])
                continue
            candidate.members.append(score)
            if score.event_probability > candidate.best.event_probability:
                candidate.best = score
        hold = self.settings.hold_ns
        ripe = [key for key, c in self._open.items() if now_ns >= _offset(c.best) + hold]
        return events + [self._event(self._open.pop(key)) for key in ripe]

    def flush(self) -> list[Event]:
        """The stream has ended: every open candidate becomes an event."""
        events = [self._event(c) for c in self._open.values()]
        self._open.clear()
        return events

    def _event(self, candidate: _Candidate) -> Event:
        best = candidate.best
        span = (_onset(best), _offset(best))
        support = [
            s
            for s in candidate.members
            if interval_iou((_onset(s), _offset(s)), span) >= SUPPORT_IOU
            and s.event_probability >= SUPPORT_SHARE * best.event_probability
        ]
        weights = np.array([s.event_probability for s in support])
        centre = round(float(np.average([s.centre_ns - best.centre_ns for s in support], weights=weights)))
        length = float(np.average([s.duration_ns for s in support], weights=weights))
        duration = round(min(max(length, self.settings.min_ns), self.settings.max_ns))
        apex = best.centre_ns + centre
        onset = max(0, apex - duration // 2)
        mean = np.average([s.probabilities for s in support], axis=0, weights=weights)
        probabilities = tuple(float(p) for p in mean * (best.event_probability / mean.sum()))
        identity = f"{self.digest}:{best.epoch}:{best.track_id}:{onset}"
        return Event(
            id=hashlib.sha256(identity.encode()).hexdigest()[:16],
            source=self.source,
            epoch=best.epoch,
            track_id=best.track_id,
            onset_ns=onset,
            apex_ns=apex,
            offset_ns=onset + duration,
            label=LABELS[int(mean.argmax())],
            probability=best.event_probability,
            probabilities=probabilities,
            face_px=best.face_px,
            sr=best.sr,
        )


def _onset(score: Score) -> int:
    return score.centre_ns - score.duration_ns // 2


def _offset(score: Score) -> int:
    return score.centre_ns + score.duration_ns // 2


def _overlap(a: Score, b: Score) -> bool:
    return _onset(a) < _offset(b) and _onset(b) < _offset(a)
