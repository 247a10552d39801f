"""From scores to candidates: local peaks of the classifier's probability, one each, causally.

Scores of all lengths that overlap in time compete: a score wins if none that overlaps it is stronger,
and takes those with it. After a winner the evidence must first fall (hysteresis) before a weaker one
counts. A stronger one may still come after a winner was decided, which cannot wait for it; both then lie
on one hill, of which ``decision`` reports one. Nothing here depends on the threshold: that is
``decision``'s business, too, so one run tells what every threshold would have given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from stream_mer.core.metrics import interval_iou
from stream_mer.types import LABELS, Event, Score

SUPPORT_IOU = 0.5
"""Scores whose interval overlaps the winner's this much have a say in its limits."""
SUPPORT_SHARE = 0.6
"""... if they reach this share of its probability."""
REARM = 0.5
"""Between two events the evidence must have fallen below this share of the weaker one's probability."""
APART_NS = 400_000_000
"""Events further apart than this are two, whatever lies between them."""
EARLIEST_NS = 40_000_000
"""An offset is moved forward by at most this against the winner's, so that no event is reported late."""
Key = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class SpotterSettings:
    """When a score becomes a candidate.

    ``floor`` is the probability below which nothing is looked at. ``hold_ns`` is how long after a score's
    offset it is decided: a stronger one near it then takes its place, one that comes later is lost to it.
    ``margin_ns`` is how near a stronger score may come: its event must not lie in the pictures that show
    this one's rest.
    """

    floor: float
    min_ns: int
    max_ns: int
    hold_ns: int
    rearm: float = REARM
    margin_ns: int = 0


@dataclass(frozen=True, slots=True)
class Peak:
    """A candidate, and the number of the hill of evidence it lies on: of each hill one peak is an event."""

    event: Event
    hill: int


@dataclass(slots=True)
class _Lane:
    """One unbroken stretch of one face: scores not yet decided, the recent course of the evidence, and the
    recent winners with their hills."""

    pending: list[Score] = field(default_factory=list)
    course: dict[int, float] = field(default_factory=dict)
    winners: list[tuple[Score, int]] = field(default_factory=list)


@dataclass(slots=True)
class Spotter:
    """Turns the scores of all tracks of one source into candidates.

    Args:
        settings: floor and times.
        source: name written into events.
    """

    settings: SpotterSettings
    source: str
    _lanes: dict[Key, _Lane] = field(default_factory=dict)
    _hills: int = 0

    def push(self, scores: Iterable[Score], now_ns: int) -> list[Peak]:
        """Take new scores; give the candidates that are decided at stream time ``now_ns``.

        Their events have no id yet, and their limits are the classifier's word alone.
        """
        for score in scores:
            lane = self._lanes.setdefault((score.track_id, score.segment, score.epoch), _Lane())
            p = score.event_probability
            lane.course[score.centre_ns] = max(p, lane.course.get(score.centre_ns, 0.0))
            if p >= self.settings.floor and not self._outdone(lane, score):
                lane.pending.append(score)
        found = self._decide(now_ns - self.settings.hold_ns)
        for key, lane in list(self._lanes.items()):
            oldest = now_ns - 4 * APART_NS
            lane.course = {t: p for t, p in lane.course.items() if t >= oldest}
            lane.winners = [w for w in lane.winners if w[0].centre_ns >= oldest]
            if not (lane.pending or lane.course or lane.winners):
                del self._lanes[key]
        return found

    def flush(self) -> list[Peak]:
        """The stream has ended: nothing stronger will come any more."""
        return self._decide(None)

    def _decide(self, before_ns: int | None) -> list[Peak]:
        """Candidates of all winners whose offset lies before ``before_ns`` (None: all), in time order."""
        peaks: list[Peak] = []
        for lane in self._lanes.values():
            while (winner := self._winner(lane.pending, before_ns)) is not None:
                there = lane.pending
                lane.pending = [s for s in lane.pending if not self._near(s, winner)]
                if (hill := self._hill(lane, winner)) is not None:
                    peaks.append(Peak(self._event(winner, there), hill))
                    lane.winners.append((winner, hill))
            if before_ns is not None:  # waiting for what becomes of the stronger one would report it late
                lane.pending = [s for s in lane.pending if _offset(s) > before_ns]
        return sorted(peaks, key=lambda peak: (peak.event.onset_ns, peak.event.track_id))

    def _outdone(self, lane: _Lane, score: Score) -> bool:
        """Whether it lies too near to a winner that is at least as strong."""
        return any(self._near(score, w) for w, _ in lane.winners if not _weaker(w, score))

    def _hill(self, lane: _Lane, score: Score) -> int | None:
        """The hill that it is a peak of: a new one, or that of the weaker winners that it stands above.

        None if it is only the slope of one that is at least as strong.
        """
        kin = [(w, hill) for w, hill in lane.winners if self._near(score, w) or self._joined(lane, w, score)]
        if not all(_weaker(w, score) for w, _ in kin):
            return None
        if kin:
            return kin[-1][1]
        self._hills += 1
        return self._hills

    def _joined(self, lane: _Lane, winner: Score, score: Score) -> bool:
        """Whether the evidence did not fall between the two."""
        low, high = sorted((winner.centre_ns, score.centre_ns))
        if high - low > APART_NS:
            return False
        dip = min((p for t, p in lane.course.items() if low < t < high), default=0.0)
        return dip > self.settings.rearm * min(winner.event_probability, score.event_probability)

    def _near(self, score: Score, winner: Score) -> bool:
        margin = self.settings.margin_ns
        return _onset(score) - margin < _offset(winner) and _onset(winner) - margin < _offset(score)

    def _winner(self, pending: list[Score], before_ns: int | None) -> Score | None:
        """The strongest decided score to which no stronger one, decided or not, comes near."""
        for score in sorted(pending, key=lambda s: (-s.event_probability, s.centre_ns, s.duration_ns)):
            if before_ns is not None and _offset(score) > before_ns:
                continue
            stronger = (s for s in pending if s.event_probability > score.event_probability)
            if not any(self._near(score, s) for s in stronger):
                return score
        return None

    def _event(self, best: Score, others: list[Score]) -> Event:
        span = (_onset(best), _offset(best))
        support = [
            s
            for s in others
            if interval_iou((_onset(s), _offset(s)), span) >= SUPPORT_IOU
            and s.event_probability >= SUPPORT_SHARE * best.event_probability
        ]
        weights = np.array([s.event_probability for s in support])
        limits = np.average([_span(s) for s in support], axis=0, weights=weights) - best.centre_ns
        onset, apex, offset = (best.centre_ns + round(float(x)) for x in limits)
        excess = (offset - onset) - min(max(offset - onset, self.settings.min_ns), self.settings.max_ns)
        onset, offset = onset + excess // 2, offset - (excess - excess // 2)
        late = max(0, _offset(best) - EARLIEST_NS - offset, -onset)
        onset, offset = onset + late, offset + late
        apex = min(max(apex, onset), offset - 1)
        mean = np.average([s.probabilities for s in support], axis=0, weights=weights)
        probabilities = tuple(float(p) for p in mean * (best.event_probability / mean.sum()))
        return Event(
            id="",
            source=self.source,
            epoch=best.epoch,
            track_id=best.track_id,
            onset_ns=onset,
            apex_ns=apex,
            offset_ns=offset,
            label=LABELS[int(mean.argmax())],
            probability=best.event_probability,
            probabilities=probabilities,
            face_px=best.face_px,
            sr=best.sr,
        )


def _weaker(one: Score, other: Score) -> bool:
    return one.event_probability < other.event_probability


def _onset(score: Score) -> int:
    return score.centre_ns - score.duration_ns // 2


def _offset(score: Score) -> int:
    return score.centre_ns + score.duration_ns // 2


def _span(score: Score) -> tuple[int, int, int]:
    """Onset, apex, offset as the window supposes them."""
    return _onset(score), score.centre_ns, _offset(score)
