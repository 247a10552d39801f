"""From scores to events: local peaks of the classifier's probability, one event each, causally.

Scores of all lengths that overlap in time compete: a score wins if none that overlaps it is stronger,
and takes those with it. It is given out once every score that could still overlap it has been seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

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
    after a score's offset another one that overlaps it may still arrive: the longest window and its
    look-ahead.
    """

    threshold: float
    min_ns: int
    max_ns: int
    hold_ns: int


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
    _pending: dict[tuple[int, int, int], list[Score]] = field(default_factory=dict)

    def push(self, scores: Iterable[Score], now_ns: int) -> list[Event]:
        """Take new scores; give the events that can no longer change at stream time ``now_ns``.

        They have no id yet: ``identify`` gives it when their limits are final.
        """
        for score in scores:
            if score.event_probability >= self.settings.threshold:
                key = (score.track_id, score.segment, score.epoch)
                self._pending.setdefault(key, []).append(score)
        return self._decide(now_ns - self.settings.hold_ns)

    def flush(self) -> list[Event]:
        """The stream has ended: nothing stronger will come any more."""
        return self._decide(None)

    def _decide(self, before_ns: int | None) -> list[Event]:
        """Events of all winners whose offset lies before ``before_ns`` (None: all), in time order."""
        events: list[Event] = []
        for key, pending in list(self._pending.items()):
            while (winner := _winner(pending, before_ns)) is not None:
                events.append(self._event(winner, [s for s in pending if _overlap(s, winner)]))
                pending[:] = [s for s in pending if not _overlap(s, winner)]
            if not pending:
                del self._pending[key]
        return sorted(events, key=lambda event: (event.onset_ns, event.track_id))

    def identify(self, event: Event) -> Event:
        """The event with its id: a digest of the source's content, epoch, track and final onset."""
        identity = f"{self.digest}:{event.epoch}:{event.track_id}:{event.onset_ns}"
        return replace(event, id=hashlib.sha256(identity.encode()).hexdigest()[:16])

    def _event(self, best: Score, members: list[Score]) -> Event:
        span = (_onset(best), _offset(best))
        support = [
            s
            for s in members
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
        return Event(
            id="",
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


def _winner(pending: list[Score], before_ns: int | None) -> Score | None:
    """The strongest decided score that no stronger one, decided or not, overlaps."""
    for score in sorted(pending, key=lambda s: (-s.event_probability, s.centre_ns, s.duration_ns)):
        if before_ns is not None and _offset(score) > before_ns:
            continue
        stronger = (s for s in pending if s.event_probability > score.event_probability)
        if not any(_overlap(score, s) for s in stronger):
            return score
    return None
