"""From scores and faces to decisions: finds candidates, measures what surrounds them, accepts or rejects.

Between the two the classifier may be shown each candidate again, within its measured limits. The threshold
comes last, so what every threshold would have given can be told from one run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from stream_mer.core.baseline import EvidenceBaseline, log_odds, moved
from stream_mer.core.extent import Extents
from stream_mer.core.memory import FaceMemory
from stream_mer.core.second_look import SecondLook
from stream_mer.core.signals import Signals, measure_signals
from stream_mer.core.spotting import Peak, Spotter, SpotterSettings
from stream_mer.core.vetoes import DEFAULT, VetoLimits, veto
from stream_mer.types import (
    LABELS,
    REPEAT,
    SECOND_LOOK,
    USUAL,
    Event,
    FaceCrop,
    Rejection,
    Score,
    Window,
)

REPORT_NS = 70_000_000
"""An event is decided this long after the last picture its window needs; what is stronger and comes later
loses to it, if that was an event. With the 80 ms by which spotter and extents may move an offset forward,
that is 150 ms."""
SAME_EVENT = 0.3
"""Share of an event that may lie before the end of the one before it; more, and it is the same one."""
MOST_ENDS = 256
"""Faces whose last event is remembered: many more than one picture holds, few enough for weeks."""
FLOOR = 0.09
"""Candidates below this probability are not even looked at."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may be an event: its limits are final, ``signals`` say what else happened then.

    ``decided_ns`` is the time of the frame with which it came; ``usual`` the log odds that were taken off
    its probability because this face gives them without any event; ``hill`` the hill of evidence that it is
    a peak of (``spotting``), None if it shares it with no other. ``windows`` are what the classifier is to be
    shown again (``seen_again``); ``first`` is the probability before it was, None if it was not.
    """

    event: Event
    signals: Signals | None
    decided_ns: int
    usual: float = 0.0
    hill: int | None = None
    windows: tuple[Window, ...] = ()
    first: float | None = None


def seen_again(candidate: Candidate, scores: Sequence[Score]) -> Candidate:
    """The candidate with what the classifier says of its ``windows``: their mean log odds count, and of the
    classes the sums.

    Nothing is taken off: what is usual for a face is known of the strongest of many answers, which this is
    not.
    """
    odds = float(np.mean([log_odds(score.event_probability) for score in scores]))
    p = 1 / (1 + float(np.exp(-odds)))
    said = np.sum([score.probabilities for score in scores], axis=0)
    shares = said / max(float(said.sum()), 1e-12)
    event = replace(
        candidate.event,
        label=LABELS[int(np.argmax(shares))],
        probability=p,
        probabilities=tuple(float(p * share) for share in shares),
    )
    first = moved(candidate.event, candidate.usual).probability
    return replace(candidate, event=event, usual=0.0, windows=(), first=first)


class CandidateFinder:
    """Everything up to the threshold, for one source.

    Args:
        source: name written into events.
        min_ns: shortest event.
        max_ns: longest event.
        look_ahead_ns: how long after an event's offset its last picture is taken.
        floor: lowest probability of a candidate, before what is usual is taken off.
        usual: knows how much that is; None takes nothing off.
        second_look: lays the windows of a second look; None for none.
    """

    def __init__(
        self,
        source: str,
        *,
        min_ns: int,
        max_ns: int,
        look_ahead_ns: int,
        floor: float = FLOOR,
        usual: EvidenceBaseline | None = None,
        second_look: SecondLook | None = None,
    ) -> None:
        settings = SpotterSettings(floor, min_ns, max_ns, look_ahead_ns + REPORT_NS, margin_ns=look_ahead_ns)
        self._spotter = Spotter(settings, source)
        self._usual = usual or EvidenceBaseline()
        self._memory = FaceMemory()
        self._second_look = second_look
        self._extents = Extents(self._memory, min_ns, max_ns)

    def push(
        self, scores: Iterable[Score], crops: Sequence[FaceCrop], size: tuple[int, int], now_ns: int
    ) -> list[Candidate]:
        """Take one frame's scores and crops (with pictures); give the candidates decided with it.

        The classifier is still to be shown the ``windows`` of each.
        """
        scores = tuple(scores)
        self._memory.push(crops, size, now_ns)
        if self._second_look:
            self._second_look.push(crops, now_ns)
        self._usual.push(scores)
        return self._measured(self._spotter.push(scores, now_ns), now_ns)

    def flush(self, now_ns: int) -> list[Candidate]:
        """The stream has ended at ``now_ns``."""
        return self._measured(self._spotter.flush(), now_ns)

    def _measured(self, found: list[Peak], now_ns: int) -> list[Candidate]:
        candidates = []
        for peak in found:
            event = self._extents.refine(peak.event)
            signals = measure_signals(
                self._memory, event.track_id, event.onset_ns, event.apex_ns, event.offset_ns
            )
            excess = self._usual.excess(event)
            windows = self._second_look.windows(event) if self._second_look else ()
            candidates.append(Candidate(moved(event, -excess), signals, now_ns, excess, peak.hill, windows))
        return candidates


@dataclass(slots=True)
class Judge:
    """Accepts or rejects candidates in the order in which they come, of each hill of evidence one.

    Args:
        threshold: probability from which a candidate counts.
        digest: identity of the source's content, goes into event ids.
        active: vetoes that are on.
        limits: where they begin.
        min_ns: shortest event; none is cut to less because another one ended just before it.
    """

    threshold: float
    digest: str
    active: Collection[str] = DEFAULT
    limits: VetoLimits = field(default_factory=VetoLimits)
    min_ns: int = 0
    _ends: dict[tuple[int, int], tuple[int, int | None]] = field(default_factory=dict)

    def judge(self, candidates: Iterable[Candidate]) -> tuple[tuple[Event, ...], tuple[Rejection, ...]]:
        """The events with their ids, and what was turned down although it reached the threshold."""
        events, rejected = [], []
        for candidate in candidates:
            event = candidate.event
            said = moved(event, candidate.usual).probability
            if max(said, candidate.first or 0.0) < self.threshold:
                continue
            refused = (
                self._unseen(candidate, said)
                or self._usual(candidate, said)
                or self._vetoed(candidate)
                or self._repeats(candidate)
            )
            if refused:
                rejected.append(_rejection(event, *refused))
            else:
                events.append(self._accept(candidate))
        return tuple(events), tuple(rejected)

    def _unseen(self, candidate: Candidate, said: float) -> tuple[str, str] | None:
        """Whether only the first look saw it."""
        if said >= self.threshold:
            return None
        return SECOND_LOOK, f"p {candidate.first:.2f} is {said:.2f} within its measured limits"

    def _usual(self, candidate: Candidate, said: float) -> tuple[str, str] | None:
        """Whether it only passes with what this face gives all the time."""
        p = candidate.event.probability
        if p >= self.threshold:
            return None
        return USUAL, f"p {said:.2f} is {p:.2f} without what this face gives anyway"

    def _vetoed(self, candidate: Candidate) -> tuple[str, str] | None:
        return veto(candidate.signals, self.limits, self.active) if candidate.signals else None

    def _repeats(self, candidate: Candidate) -> tuple[str, str] | None:
        """Whether this is only the rest of the event before it: their measured limits overlap too far."""
        event = candidate.event
        _, hill = self._before(event)
        if hill is not None and hill == candidate.hill:
            return REPEAT, "the evidence did not fall after the one before"
        share = (self._begin(event) - event.onset_ns) / (event.offset_ns - event.onset_ns)
        if share > SAME_EVENT:
            said = f"{min(share, 1):.0%} of it lies before the end of the one before"
            return REPEAT, f"{said} (limit {SAME_EVENT:.0%})"
        if self._end(event) > max(event.offset_ns, candidate.decided_ns):
            return REPEAT, "the one before leaves less of it than the shortest event"
        return None

    def _before(self, event: Event) -> tuple[int, int | None]:
        """Where the last event of this face ended, and its hill."""
        return self._ends.get((event.track_id, event.epoch), (0, None))

    def _begin(self, event: Event) -> int:
        """Its onset, but not before the end of the event before it."""
        end, _ = self._before(event)
        return max(event.onset_ns, end)

    def _end(self, event: Event) -> int:
        """Its offset, but later where less than the shortest event would be left of it."""
        return max(event.offset_ns, self._begin(event) + self.min_ns)

    def _accept(self, candidate: Candidate) -> Event:
        """The event, beginning where the one before it ended, or later, with its id."""
        event = candidate.event
        key = (event.track_id, event.epoch)
        onset, offset = self._begin(event), self._end(event)
        self._ends.pop(key, None)
        self._ends[key] = offset, candidate.hill
        if len(self._ends) > MOST_ENDS:
            del self._ends[next(iter(self._ends))]
        begun = replace(event, onset_ns=onset, apex_ns=max(onset, event.apex_ns), offset_ns=offset)
        return identified(begun, self.digest)


def identified(event: Event, digest: str) -> Event:
    """The event with its id: a digest of the source's content, its epoch, track and onset."""
    identity = f"{digest}:{event.epoch}:{event.track_id}:{event.onset_ns}"
    return replace(event, id=hashlib.sha256(identity.encode()).hexdigest()[:16])


def _rejection(event: Event, reason: str, detail: str) -> Rejection:
    return Rejection(
        track_id=event.track_id,
        epoch=event.epoch,
        onset_ns=event.onset_ns,
        apex_ns=event.apex_ns,
        offset_ns=event.offset_ns,
        label=event.label,
        probability=event.probability,
        reason=reason,
        detail=detail,
    )
